//! The table in the README: a few rows that say most.

use crate::page::{self, value};
use crate::row::Row;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Between these lines of the README is what is made of the rows.
const BEGIN: &str = "<!-- made by `benches page`: begin -->\n";
const END: &str = "<!-- made by `benches page`: end -->\n";

/// A row: its benchmark, the beginning of its contest's title, how much of what there was, the peer, the unit.
type Pick = (&'static str, &'static str, Option<u32>, &'static str, &'static str);

const PICKS: [Pick; 18] = [
    ("B1", "acquire and drop", Some(1), "a clone of an Arc", "ns"),
    ("B2", "GET", Some(100), "bare driver", "commands/s"),
    ("B2", "GET", Some(100), "deadpool-redis", "commands/s"),
    ("B2", "GET", Some(100), "bb8-redis", "commands/s"),
    ("B3", "through the batcher", None, "bare Inserter", "rows/s"),
    ("B4", "bars as rows", None, "bare driver", "rows/s"),
    ("B5", "persistent, confirmed", Some(512), "bare driver", "messages/s"),
    ("B5", "persistent, confirmed", Some(512), "deadpool-lapin", "messages/s"),
    ("B6", "MongoDB", None, "bare driver, a client each", "ms"),
    ("B6", "RabbitMQ", None, "bare driver, a client each", "ms"),
    ("B6", "Redis", None, "bare driver, a client each", "ms"),
    ("B12", "the server is killed", None, "connection-manager", "ms"),
    ("B12", "the server is frozen", None, "connection-manager", "ms"),
    ("B14", "W1 ", None, "bare driver", "documents/s"),
    ("B14", "W1 ", None, "pymongo", "documents/s"),
    ("B15", "W6 ticks", None, "bare driver", "deliveries/s"),
    ("B15", "W6 ticks", None, "aio-pika", "deliveries/s"),
    ("B16", "W11 pipelines", None, "redis-py", "commands/s"),
];

const HEADER: &str = "\
| | what | beside | ours | theirs | unit | ratio (quartiles) |
|---|---|---|--:|--:|---|--:|
";

/// Writes the table into a README that has a place for it.
pub(crate) fn write(readme: &Path, rows: &[Row]) -> Result<()> {
    let Ok(text) = fs::read_to_string(readme) else { return Ok(()) };
    match renewed(&text, rows) {
        Some(new) if new != text => {
            fs::write(readme, new).with_context(|| format!("{}", readme.display()))
        }
        _ => Ok(()),
    }
}

/// The README with the table of these rows; none where it has no place for one.
fn renewed(readme: &str, rows: &[Row]) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", table(rows)))
}

fn table(rows: &[Row]) -> String {
    let lines = PICKS.iter().filter_map(|pick| Some(line(picked(rows, pick)?)));
    HEADER.to_owned() + &lines.collect::<String>()
}

/// What is not measured yet is not in the table.
fn picked<'a>(rows: &'a [Row], (id, contest, amount, peer, unit): &Pick) -> Option<&'a Row> {
    rows.iter().find(|row| {
        row.id == *id
            && row.contest.starts_with(contest)
            && row.amount == *amount
            && row.peer_name == *peer
            && row.unit == *unit
    })
}

fn line(row: &Row) -> String {
    let Row { id, peer_name, unit, .. } = row;
    let (what, ours, ratio) = (page::what(row), value(row.ours), page::ratio(row));
    let peer = row.peer.map_or_else(|| "–".to_owned(), value);
    format!("| {id} | {what} | {peer_name} | {ours} | {peer} | {unit} | {ratio} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue, table};

    fn repository() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    #[test]
    fn the_readme_s_table_is_made_of_the_rows() {
        let rows = table::read(&repository().join("docs")).unwrap();
        let readme = fs::read_to_string(repository().join("README.md")).unwrap();
        let made = renewed(&readme, &rows).expect("the README has a place for the table");
        assert!(made == readme, "the README's table was edited; `benches page` makes it");
    }

    /// A contest that was renamed would silently leave the table.
    #[test]
    fn every_pick_is_a_row_where_its_benchmark_was_run() {
        let rows = table::read(&repository().join("docs")).unwrap();
        for pick in &PICKS {
            assert!(catalogue::find(pick.0).is_some(), "{pick:?}");
            let was_run = rows.iter().any(|row| row.id == pick.0);
            assert!(!was_run || picked(&rows, pick).is_some(), "{pick:?}");
        }
    }

    #[test]
    fn what_is_around_the_table_stays_and_a_file_without_a_place_for_it_too() {
        let readme = format!("a\n{BEGIN}old\n{END}b\n");
        let made = renewed(&readme, &[]).unwrap();
        assert_eq!(made, format!("a\n{BEGIN}\n{HEADER}\n{END}b\n"));
        assert_eq!(renewed(&made, &[]).unwrap(), made);
        assert_eq!(renewed("a\n", &[]), None);
    }
}

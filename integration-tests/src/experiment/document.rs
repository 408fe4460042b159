//! The table for readers.

use super::Row;
use std::collections::BTreeSet;
use std::fmt::Write;

const INTRODUCTION: &str = "\
# Experiments

Faults on real servers, and what was measured while they lasted. `make experiments` makes this page
and `experiments.json`; nothing in it is typed by hand. A figure that misses its criterion stays here
as **failed**, with the reason where one was found.

Times are seconds. p99 is the nearest rank; with few samples it is the greatest one. A figure without
a criterion is for information.
";

/// The page that shows `rows`, which are given in order.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut page = INTRODUCTION.to_owned();
    page += &summary(rows);
    let mut last = "";
    for row in rows {
        if row.id != last {
            let _ = write!(page, "\n## {} {}\n\n{HEADER}", row.id, row.title);
            last = &row.id;
        }
        page += &line(row);
    }
    page + &notes(rows) + &versions(rows)
}

const HEADER: &str = "\
| backend | figure | n | p50 | p99 | max | criterion | |
|---|---|--:|--:|--:|--:|---|---|
";

fn summary(rows: &[Row]) -> String {
    let failed: Vec<_> = rows.iter().filter(|row| !row.pass).collect();
    let judged = rows.iter().filter(|row| !row.criterion.is_empty()).count();
    let mut text = format!("\n{} of {judged} criteria hold", judged - failed.len());
    if failed.is_empty() {
        return text + ".\n";
    }
    text += "; these do not:\n\n";
    for row in failed {
        let note = row.note.as_deref().unwrap_or("no reason was found yet");
        let _ = writeln!(
            text,
            "- **{} {}**, {}: {} where {}: {note}",
            row.id,
            row.backend,
            row.figure,
            value(row.max, &row.unit),
            row.criterion
        );
    }
    text
}

fn line(row: &Row) -> String {
    let verdict = match (row.criterion.is_empty(), row.pass) {
        (true, _) => "",
        (false, true) => "pass",
        (false, false) => "**failed**",
    };
    let Row { backend, figure, n, unit, criterion, .. } = row;
    let [p50, p99, max] = [row.p50, row.p99, row.max].map(|number| value(number, unit));
    format!("| {backend} | {figure} | {n} | {p50} | {p99} | {max} | {criterion} | {verdict} |\n")
}

fn value(number: Option<f64>, unit: &str) -> String {
    let Some(number) = number else { return "–".to_owned() };
    let digits = match number.abs() {
        _ if number.fract() == 0.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    format!("{number:.digits$} {unit}").trim_end().to_owned()
}

/// Notes on rows that passed; those of failed ones are at the top.
fn notes(rows: &[Row]) -> String {
    let noted = rows.iter().filter(|row| row.pass && row.note.is_some());
    let mut lines = BTreeSet::new();
    for row in noted {
        let note = row.note.as_deref().unwrap_or_default();
        lines.insert((row.place().0, format!("- {}, {}: {note}\n", row.id, row.figure)));
    }
    if lines.is_empty() {
        return String::new();
    }
    lines.into_iter().fold("\n## Notes\n\n".to_owned(), |text, (_, line)| text + &line)
}

fn versions(rows: &[Row]) -> String {
    let of = |pick: fn(&Row) -> String| rows.iter().map(pick).collect::<BTreeSet<_>>();
    let mut text = "\n## Measured with\n\n".to_owned();
    for line in of(|row| format!("- {}: {}\n", row.backend, row.versions)) {
        text += &line;
    }
    for line in of(|row| format!("- {}, {}\n", row.date, row.machine)) {
        text += &line;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::row::Setting;
    use super::super::{Figure, Row, markdown};

    fn row(id: &str, figure: Figure) -> Row {
        let setting = Setting { id: id.into(), title: "a title".into(), ..Setting::default() };
        Row::new(setting, figure)
    }

    #[test]
    fn the_page_counts_names_the_failed_and_shows_every_row() {
        let good = row("E1", Figure::new("noticed", "s", &[1.5]).at_most(5.0));
        let bad = Figure::count("left", 2_u32).is(0.0).note("the driver keeps them");
        let page = markdown(&[good, row("E2", bad)]);
        assert!(page.contains("1 of 2 criteria hold"), "{page}");
        assert!(page.contains("- **E2 **, left: 2 where = 0: the driver keeps them"), "{page}");
        assert!(
            page.contains("| noticed | 1 | 1.50 s | 1.50 s | 1.50 s | ≤ 5 s | pass |"),
            "{page}"
        );
        assert!(page.contains("| left | 1 | 2 | 2 | 2 | = 0 | **failed** |"), "{page}");
        assert_eq!(page.matches("a title").count(), 2, "{page}");
    }
}

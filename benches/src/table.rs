//! The files with the results.

use crate::row::Row;
use crate::{headlines, known, page, plot};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const ROWS: &str = "benchmarks.json";
const PAGE: &str = "benchmarks.md";
/// The folder of the plots, beside the page.
pub(crate) const PLOTS: &str = "benchmarks";

/// Writes the rows into `folder`, with their page and their plots. Rows of benchmarks that did not run this
/// time stay as they are there.
pub(crate) fn write(folder: &Path, new: &[Row]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    store(folder, merge(read(folder)?, new))
}

/// Writes all anew of the rows that are in `folder`, and the table of the README beside it.
pub(crate) fn render(folder: &Path) -> Result<()> {
    store(folder, read(folder)?)
}

fn store(folder: &Path, mut rows: Vec<Row>) -> Result<()> {
    rows.iter_mut().for_each(known::explain);
    let text = serde_json::to_string_pretty(&rows)? + "\n";
    let path = folder.join(ROWS);
    fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
    let plots = folder.join(PLOTS);
    fs::create_dir_all(&plots).with_context(|| format!("{}", plots.display()))?;
    for (name, svg) in plot::all(&rows)? {
        let path = plots.join(name);
        fs::write(&path, svg).with_context(|| format!("{}", path.display()))?;
    }
    let path = folder.join(PAGE);
    fs::write(&path, page::markdown(&rows)).with_context(|| format!("{}", path.display()))?;
    headlines::write(&folder.join("../README.md"), &rows)?;
    println!("{} has {} rows", path.display(), rows.len());
    Ok(())
}

/// The rows that are in `folder`; none where there is no file.
pub(crate) fn read(folder: &Path) -> Result<Vec<Row>> {
    let path = folder.join(ROWS);
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("{}", path.display())),
    }
}

/// The new rows, and the old ones of benchmarks that are not among them.
fn merge(old: Vec<Row>, new: &[Row]) -> Vec<Row> {
    let run: BTreeSet<_> = new.iter().map(|row| row.id.as_str()).collect();
    let mut rows: Vec<_> = old.into_iter().filter(|row| !run.contains(row.id.as_str())).collect();
    rows.extend_from_slice(new);
    // Stable: the rows of one benchmark stay in the order in which it gives them.
    rows.sort_by_key(Row::place);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::row::Setting;

    fn row(id: &str, peer: &str) -> Row {
        let setting = Setting { id: id.to_owned(), ..Setting::default() };
        Row::new(&setting, "x/s", &[1.0], (peer, &[1.0]), Budget::None)
    }

    #[test]
    fn what_is_written_is_read_again_and_what_ran_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[row("B2", "old"), row("B12", "a"), row("B12", "b")]).unwrap();
        write(folder.path(), &[row("B12", "new 2"), row("B12", "new 1")]).unwrap();
        let rows = read(folder.path()).unwrap();
        let peers: Vec<_> = rows.iter().map(|row| row.peer_name.as_str()).collect();
        assert_eq!(peers, ["old", "new 2", "new 1"]);
        let written = fs::read_to_string(folder.path().join(PAGE)).unwrap();
        assert_eq!(written, page::markdown(&rows));
        assert!(folder.path().join(PLOTS).join("b2.svg").exists());
    }

    /// A page that was edited would say what nobody measured.
    #[test]
    fn the_page_of_the_repository_is_made_of_its_rows() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let (rows, page) = (docs.join(ROWS), docs.join(PAGE));
        assert_eq!(
            rows.exists(),
            page.exists(),
            "one of the two is missing; `make bench` makes both"
        );
        if rows.exists() {
            let kept = fs::read_to_string(page).unwrap();
            let made = page::markdown(&read(&docs).unwrap());
            assert!(kept == made, "docs/{PAGE} was edited; `benches page` makes it");
        }
    }
}

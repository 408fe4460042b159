//! The two files with the results.

use anyhow::{Context, Result};
use integration_tests::experiment::{Row, markdown};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Writes `experiments.json` and `experiments.md` into `folder`. Rows of experiments that did not
/// run this time stay as they are there.
pub(crate) fn write(folder: &Path, new: &[Row]) -> Result<()> {
    let json = folder.join("experiments.json");
    let old = match fs::read_to_string(&json) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{}", json.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("{}", json.display())),
    };
    let rows = merge(old, new);
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let page = folder.join("experiments.md");
    fs::write(&page, markdown(&rows)).with_context(|| format!("{}", page.display()))?;
    let text = serde_json::to_string_pretty(&rows)? + "\n";
    fs::write(&json, text).with_context(|| format!("{}", json.display()))?;
    println!("{} and {} have {} rows", page.display(), json.display(), rows.len());
    Ok(())
}

/// The new rows, and the old ones of experiments and backends that are not among them.
fn merge(old: Vec<Row>, new: &[Row]) -> Vec<Row> {
    let run: BTreeSet<_> = new.iter().map(|row| (row.id.as_str(), row.backend.as_str())).collect();
    let kept = |row: &Row| !run.contains(&(row.id.as_str(), row.backend.as_str()));
    let mut rows: Vec<Row> = old.into_iter().filter(kept).collect();
    rows.extend_from_slice(new);
    // Stable: the figures of one run stay in the order in which it gives them.
    rows.sort_by_key(Row::place);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_tests::experiment::{Figure, Setting};

    fn row(id: &str, backend: &str, figure: &str) -> Row {
        let (id, backend) = (id.to_owned(), backend.to_owned());
        Row::new(Setting { id, backend, ..Setting::default() }, Figure::count(figure, 1_u32))
    }

    #[test]
    fn rows_that_ran_are_replaced_and_the_others_stay_in_order() {
        let old =
            vec![row("E2", "redis", "old"), row("E12", "redis", "a"), row("E12", "mongodb", "b")];
        let new = [row("E12", "redis", "new 2"), row("E12", "redis", "new 1")];
        let merged = merge(old, &new);
        let figures: Vec<_> = merged.iter().map(|row| row.figure.as_str()).collect();
        assert_eq!(figures, ["old", "b", "new 2", "new 1"]);
    }

    #[test]
    fn what_is_written_is_read_again_and_merged_into() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[row("E1", "redis", "x")]).unwrap();
        write(folder.path(), &[row("E2", "redis", "y")]).unwrap();
        let text = fs::read_to_string(folder.path().join("experiments.json")).unwrap();
        let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
        assert_eq!(rows.len(), 2);
        let page = fs::read_to_string(folder.path().join("experiments.md")).unwrap();
        assert_eq!(page, markdown(&rows));
    }
}

//! Whether two runs say the same.

use crate::row::Row;
use crate::table::read;
use anyhow::{Result, ensure};
use std::path::Path;

/// Compares the rows of two folders, and prints those that do not agree. Whether all do.
pub(crate) fn compare(one: &Path, other: &Path) -> Result<bool> {
    let (ones, others) = (read(one)?, read(other)?);
    for (folder, rows) in [(one, &ones), (other, &others)] {
        ensure!(!rows.is_empty(), "{} has no rows", folder.display());
    }
    let differences = differences(&ones, &others);
    let close = close(&ones, &others);
    let single = single(&ones, &others);
    for line in differences.iter().chain(&close).chain(&single) {
        println!("{line}");
    }
    println!(
        "{} rows and {}, {} do not agree; {} agree, and are so close to their budget that one run met it; \
         {} are a single figure in each run, which shows no spread to agree within",
        ones.len(),
        others.len(),
        differences.len(),
        close.len(),
        single.len()
    );
    Ok(differences.is_empty())
}

/// A line for each row that agrees and whose budget was met by one of the runs alone.
fn close(ones: &[Row], others: &[Row]) -> Vec<String> {
    told(ones, others, "close", |one, other| agree(one, other) && one.pass != other.pass)
}

/// A line for each row whose ratio is a single figure in both runs.
fn single(ones: &[Row], others: &[Row]) -> Vec<String> {
    let is_single = |row: &Row| row.ratio.is_some() && row.spread.is_none();
    told(ones, others, "single", |one, other| is_single(one) && is_single(other))
}

/// A line for each row that is in both runs and of which this holds.
fn told(
    ones: &[Row],
    others: &[Row],
    word: &str,
    holds: impl Fn(&Row, &Row) -> bool,
) -> Vec<String> {
    let pair = |one: &Row| {
        let other = others.iter().find(|other| called(other) == called(one))?;
        let line = || format!("{}: {word}, {} and {}", called(one), said(one), said(other));
        holds(one, other).then(line)
    };
    ones.iter().filter_map(pair).collect()
}

/// A line for each row that is in one run alone, or of which the middle halves of the rounds do not meet.
fn differences(ones: &[Row], others: &[Row]) -> Vec<String> {
    let alone = |row: &Row, which: &str| format!("{}: only in the {which} run", called(row));
    let mut found = Vec::new();
    for one in ones {
        match others.iter().find(|other| called(other) == called(one)) {
            Some(other) if agree(one, other) => {}
            Some(other) => {
                found.push(format!("{}: {} and {}", called(one), said(one), said(other)));
            }
            None => found.push(alone(one, "first")),
        }
    }
    let new = others.iter().filter(|row| ones.iter().all(|one| called(one) != called(row)));
    found.extend(new.map(|row| alone(row, "second")));
    found
}

fn agree(one: &Row, other: &Row) -> bool {
    let meet = match (one.spread, other.spread) {
        (Some([low, high]), Some([from, to])) => low <= to && from <= high,
        (None, None) => true,
        _ => false,
    };
    meet && one.failed.is_some() == other.failed.is_some()
}

/// What a row is of: the same in all runs.
fn called(row: &Row) -> String {
    let at = match (&row.axis, row.amount) {
        (Some(axis), Some(amount)) => format!(" at {amount} {axis}"),
        _ => String::new(),
    };
    let Row { id, contest, ours_name, peer_name, unit, .. } = row;
    format!("{id} {contest}{at}, {ours_name} beside {peer_name}, {unit}")
}

fn said(row: &Row) -> String {
    let verdict = match (row.failed.is_some(), row.budget.is_empty(), row.pass) {
        (true, ..) => " (failed)",
        (_, true, _) => "",
        (_, _, true) => " (met)",
        (_, _, false) => " (missed)",
    };
    match (row.ratio, row.spread) {
        (Some(ratio), Some([low, high])) => format!("{ratio} ({low} to {high}){verdict}"),
        (Some(ratio), None) => format!("{ratio}{verdict}"),
        (None, _) => format!("no ratio{verdict}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::row::Setting;
    use std::slice::from_ref;

    fn row(contest: &str, ours: &[f64], budget: Budget) -> Row {
        let setting = Setting { id: "B2".into(), contest: contest.into(), ..Setting::default() };
        Row::new(&setting, "x/s", ours, ("peer", &[1.0, 1.0, 1.0]), budget)
    }

    #[test]
    fn rows_agree_where_their_quartiles_meet_and_those_at_their_limit_are_told() {
        let one = row("get", &[0.9, 1.0, 1.1], Budget::AtLeast(0.97));
        let near = row("get", &[1.0, 1.1, 1.2], Budget::AtLeast(0.97));
        let apart = row("get", &[1.2, 1.3, 1.4], Budget::AtLeast(0.97));
        let missed = row("get", &[0.9, 0.96, 1.1], Budget::AtLeast(0.97));
        let told = |other: &Row| differences(from_ref(&one), from_ref(other));
        assert!(told(&one).is_empty() && told(&near).is_empty());
        assert_eq!(
            told(&apart),
            ["B2 get,  beside peer, x/s: 1 (0.95 to 1.05) (met) and 1.3 (1.25 to 1.35) (met)"]
        );
        assert!(told(&missed).is_empty());
        let close = |other: &Row| close(from_ref(&one), from_ref(other));
        assert!(close(&near).is_empty() && close(&apart).is_empty());
        assert!(close(&missed)[0].ends_with("(met) and 0.96 (0.93 to 1.03) (missed)"));
        let figure = |ours| row("get", &[ours], Budget::None);
        assert!(differences(&[figure(1.0)], &[figure(2.0)]).is_empty());
        assert!(single(&[figure(1.0)], &[figure(2.0)])[0].ends_with("single, 1 and 2"));
        assert!(single(from_ref(&one), from_ref(&near)).is_empty());
        assert_eq!(told(&figure(1.0)).len(), 1, "one run has a spread and the other has none");
        let other = row("set", &[1.0], Budget::None);
        let alone = told(&other);
        assert_eq!(alone.len(), 2);
        assert!(alone[0].ends_with("only in the first run"), "{alone:?}");
        assert!(alone[1].ends_with("only in the second run"), "{alone:?}");
    }

    #[test]
    fn a_folder_without_rows_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(compare(folder.path(), folder.path()).is_err());
    }
}

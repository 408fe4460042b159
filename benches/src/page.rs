//! The page for readers.

use crate::bench::title;
use crate::catalogue;
use crate::plot;
use crate::row::Row;
use crate::table::PLOTS;
use std::collections::BTreeSet;
use std::fmt::Write;

const INTRODUCTION: &str = "\
# Benchmarks

Ours beside others, on real servers, in the same run. `make bench` makes this page, its plots and
`benchmarks.json`; nothing in it is typed by hand but the reasons of what is missed, where they are known. A
budget that is missed stays here as **missed**.

All parties of a contest do the same work against the same server, a round each, in turns; who is first, and who
comes after whom, changes from round to round. The rounds are spread over laps through all of the benchmarks,
each with servers that are started for it, so that what a machine does for some minutes is in the spread; the
first round of a lap does not count. A ratio is ours to the peer's within a round: its median, with the
quartiles. What slows a round slows all who take part in it, so the ratio is what decides; the figures beside it
are medians of the rounds, and are this machine's. For what is counted by the second more is better, for times
and memory less is.

A peer that is another client or pool runs in a process of its own, as ours does where memory is measured;
a *bare* one is the driver that ours is built on, without ours. A *lease* is acquired for each operation,
as a service does. A peer that fails is out of its contest, with the reason, and nothing is judged.
";

const HEADER: &str = "\
| what | ours | beside | ours | theirs | unit | ratio (quartiles) | rounds | budget | |
|---|---|---|--:|--:|---|--:|--:|---|---|
";

/// The page that shows `rows`, which are given in order.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut page = INTRODUCTION.to_owned() + &summary(rows);
    let mut last = "";
    for row in rows {
        if row.id != last {
            let _ = write!(page, "\n## {} {}\n\n", row.id, row.title);
            if let Some(benchmark) = catalogue::find(&row.id) {
                let _ = writeln!(page, "{}\n", benchmark.about);
            }
            for (name, alt) in plot::names(rows, &row.id) {
                let _ = writeln!(page, "![{alt}]({PLOTS}/{name})\n");
            }
            page += HEADER;
            last = &row.id;
        }
        page += &line(row);
    }
    page + &measured_with(rows)
}

fn summary(rows: &[Row]) -> String {
    let judged = rows.iter().filter(|row| !row.budget.is_empty()).count();
    let missed: Vec<_> = rows.iter().filter(|row| !row.pass).collect();
    let mut text = format!("\n{} of {judged} budgets are met", judged - missed.len());
    if missed.is_empty() {
        return text + ".\n";
    }
    text += "; these are not:\n\n";
    for row in missed {
        let Row { id, peer_name, unit, budget, .. } = row;
        let (what, ratio) = (what(row), ratio(row));
        let why = row.why.as_deref().unwrap_or("The reason is not known.");
        let _ = writeln!(
            text,
            "- **{id}**, {what}, beside {peer_name}, in {unit}: {ratio} where {budget}. {why}"
        );
    }
    text
}

/// What was done, and how much of it there was.
pub(crate) fn what(row: &Row) -> String {
    title(&row.contest, row.axis.as_deref().zip(row.amount))
}

fn line(row: &Row) -> String {
    let verdict = match (&row.failed, row.budget.is_empty(), row.pass) {
        (Some(reason), ..) => format!("it failed: {}", reason.replace('|', "/")),
        (None, true, _) => String::new(),
        (None, false, true) => "met".to_owned(),
        (None, false, false) => "**missed**".to_owned(),
    };
    let Row { ours_name, peer_name, unit, rounds, budget, .. } = row;
    let (ours, ratio) = (value(row.ours), ratio(row));
    let peer = row.peer.map_or_else(|| "–".to_owned(), value);
    let what = what(row);
    format!(
        "| {what} | {ours_name} | {peer_name} | {ours} | {peer} | {unit} | {ratio} \
         | {rounds} | {budget} | {verdict} |\n"
    )
}

/// The ratio, with its quartiles where it has some.
pub(crate) fn ratio(row: &Row) -> String {
    let Some(ratio) = row.ratio.map(value) else { return "–".to_owned() };
    let Some([low, high]) = row.spread.map(|ends| ends.map(value)) else { return ratio };
    format!("{ratio} ({low} to {high})")
}

/// With three digits or so.
pub(crate) fn value(number: f64) -> String {
    let digits = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{number:.digits$}")
}

fn measured_with(rows: &[Row]) -> String {
    let of = |pick: fn(&Row) -> String| rows.iter().map(pick).collect::<BTreeSet<_>>();
    let mut text = "\n## Measured with\n\n".to_owned();
    let versions = of(|row| row.versions.clone());
    let all: BTreeSet<_> = versions.iter().flat_map(|line| line.split(", ")).collect();
    for version in all {
        let _ = writeln!(text, "- {version}");
    }
    for line in of(|row| format!("- {}, {}\n", row.date, row.machine)) {
        text += &line;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::row::Setting;

    #[test]
    fn the_page_counts_names_what_was_missed_and_shows_every_row() {
        let setting = Setting {
            id: "B2".into(),
            title: "a title".into(),
            contest: "GET".into(),
            at: Some(("tasks", 100)),
            versions: "qa-resource 0.1.0, fred 10".into(),
            ..Setting::default()
        };
        let row = |peer, rate, budget| {
            Row::new(&setting, "x/s", &[1000.0; 2], (peer, &[rate; 2]), budget)
        };
        let good = row("fred", 500.0, Budget::AtLeast(1.0));
        let mut bad = row("bare", 2000.0, Budget::AtLeast(0.97));
        bad.why = Some("It is slow.".to_owned());
        let page = markdown(&[good, bad]);
        assert!(page.contains("1 of 2 budgets are met"), "{page}");
        assert!(
            page.contains(
                "- **B2**, GET, 100 tasks, beside bare, in x/s: 0.500 (0.500 to 0.500) where ≥ 0.97. \
                 It is slow."
            ),
            "{page}"
        );
        assert!(
            page.contains("| 1000 | 500 | x/s | 2.00 (2.00 to 2.00) | 2 | ≥ 1 | met |"),
            "{page}"
        );
        assert!(page.contains("| **missed** |") && page.contains("\n- fred 10\n"), "{page}");
        assert_eq!(page.matches("## B2 a title").count(), 1, "{page}");
        let once = Row::new(&setting, "x/s", &[3.0], ("fred", &[2.0]), Budget::None);
        assert_eq!(ratio(&once), "1.50");
    }
}

//! E12: what is logged while many resources are down.

use crate::herd::Herd;
use crate::lines::{Lines, sort};
use crate::passing::until;
use crate::run::Run;
use integration_tests::Subject;
use integration_tests::experiment::Figure;
use qa_pool::core::Stats;
use qa_servers::proxy::Door;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Between two summaries of one resource.
const SUMMARY_SECONDS: f64 = 10.0;

/// An outage in which the port refuses, and the lines of the log.
pub(crate) async fn storm<S: Subject>(run: Run) -> Vec<Figure> {
    let (size, outage) = (run.pick(40, 200), Duration::from_secs(run.pick(16, 60)));
    let lines = Lines::listen();
    let herd = Herd::<S>::connected(size, "storm").await;
    let before: Vec<_> = herd.stats().collect();
    lines.take();

    run.progress(&format!("{size} resources are refused for {outage:?}"));
    let began = Instant::now();
    herd.lose(Door::Refuse);
    until((began + outage).into()).await;
    herd.heal().await;
    let (seconds, told) = (began.elapsed().as_secs_f64(), lines.take());
    let after: Vec<_> = herd.stats().collect();
    herd.close().await;

    let all = told.len();
    let (told, others) = sort(told);
    let grown = |of: fn(&Stats) -> u64| {
        let sum = |stats: &[Stats]| stats.iter().map(of).sum::<u64>();
        sum(&after) - sum(&before)
    };
    let changes = grown(|stats| stats.connects) + grown(|stats| stats.disconnects);
    let lines: usize = told.values().map(|told| told.changes).sum();
    let each = |of: fn(f64, f64) -> f64| -> Vec<f64> {
        let number = |count: usize| u32::try_from(count).map_or(f64::NAN, f64::from);
        told.values().map(|told| of(number(told.changes), number(told.summaries))).collect()
    };
    let driver = others.len().div_ceil(size);
    let driver = u32::try_from(driver).map_or(f64::NAN, f64::from);
    let per_second: Vec<_> = each(|changes, summaries| changes + summaries)
        .iter()
        .map(|lines| (lines + driver) / seconds)
        .collect();
    let summaries = each(|_, summaries| summaries);
    let most_summaries = (seconds / SUMMARY_SECONDS).ceil();
    let failures = grown(|stats| stats.connect_failures);
    vec![
        Figure::count("lines of state changes", lines)
            .must(&format!("= {changes}, the state changes"), lines as u64 == changes),
        Figure::new("summaries per resource", "", &summaries)
            .must("≤ one per 10 s", summaries.iter().all(|count| *count <= most_summaries)),
        rate(&per_second, &run),
        other_lines(&others, size, seconds).of(all),
        Figure::count("failed attempts, in the counters only", failures),
    ]
}

/// What begins and ends an outage has its lines whatever its length: a short one has more a second.
fn rate(per_second: &[f64], run: &Run) -> Figure {
    let figure = Figure::new("lines per resource and second", "/s", per_second)
        .note("those of its driver included");
    if run.short { figure } else { figure.at_most(0.2) }
}

/// What drivers say by themselves. The share of a resource is within its 0.2 lines a second.
fn other_lines(others: &[String], resources: usize, seconds: f64) -> Figure {
    let number = u32::try_from(others.len() / resources.max(1)).map_or(f64::NAN, f64::from);
    let figure =
        Figure::new("lines of its driver, per resource and second", "/s", &[number / seconds]);
    let kinds: BTreeSet<_> =
        others.iter().map(|line| line.split('(').next().unwrap_or(line)).collect();
    if kinds.is_empty() {
        return figure;
    }
    let kinds: Vec<_> = kinds.into_iter().take(4).collect();
    figure.note(format!("{}; only the application's filter keeps them out", kinds.join("; ")))
}

//! E16: leases that are held for too long, among many that are not, and what it costs to look.

use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::{Capture, Rig, Subject, servers};
use qa_pool::{Group, Settings};
use std::panic::Location;
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tracing_subscriber::fmt::format::FmtSpan;

/// Leases that are held for too long.
const HELD: usize = 20;

/// What is too long.
const THRESHOLD: Duration = Duration::from_secs(1);

/// After the threshold, a report may take this long.
const REPORT: Duration = Duration::from_secs(1);

/// After the last report, a false or second one would have come by then.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Leases in one measurement of what they cost.
const BATCH: u32 = 10_000;

/// What was reported.
struct Reports {
    /// How long after it was taken each lease was reported.
    after: Vec<Duration>,
    borrows: u64,
    counted: u64,
    /// Lines of the log, and those among them that do not name the place.
    lines: usize,
    elsewhere: usize,
}

pub(crate) async fn detection<S: Subject>(run: Run) -> Vec<Figure> {
    let capture = Capture::install("warn", FmtSpan::NONE);
    let url = S::url(servers::shared(S::SYSTEM).await, "leaks").await;
    let settings = |leak_threshold| Settings { leak_threshold, ..Settings::default() };
    // Many pairs of resources: where one happens to lie in memory makes it a tenth faster or slower
    // than the same elsewhere, and of a few most may lie alike.
    let (pairs, batches) = run.pick((5, 20), (33, 40));
    run.progress(&format!("{pairs} × 2 × {batches} × {BATCH} leases, with detection and without"));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        let on = Rig::<S>::connected("on", &url, settings(THRESHOLD)).await;
        let off = Rig::<S>::connected("off", &url, settings(Duration::ZERO)).await;
        let (dear, cheap) = costs(&on.group, &off.group, batches).await;
        with.extend(dear);
        without.extend(cheap);
        on.close().await;
        off.close().await;
    }
    let on = Rig::<S>::connected("on", &url, settings(THRESHOLD)).await;
    run.progress(&format!("{HELD} leases are held"));
    let reports = hold(&on, run.pick(20_000, 1_000_000), &capture).await;
    on.close().await;
    let n = usize::try_from(reports.borrows).unwrap_or(usize::MAX);
    let twice_or_false = reports.counted.abs_diff(HELD as u64);
    vec![
        Figure::seconds("reported after", &reports.after)
            .at_most((THRESHOLD + REPORT).as_secs_f64())
            .must(&format!("all {HELD}"), reports.after.len() == HELD)
            .note("the threshold is 1 s"),
        Figure::count("false or repeated reports", twice_or_false).of(n).is(0.0),
        Figure::count("log lines, each with the place", reports.lines)
            .is(20.0)
            .must("no other place", reports.elsewhere == 0),
        overhead(&with, &without, pairs),
        Figure::new("a lease with detection", "ns", &with),
    ]
}

/// By how much leases cost more with detection, in percent of what they cost without.
fn overhead(with: &[f64], without: &[f64], pairs: u32) -> Figure {
    let ratios: Vec<_> = with.iter().zip(without).map(|(on, off)| on / off).collect();
    let median = Figure::new("", "", &ratios).p50;
    let figure = Figure::new("detection costs", "%", &[(median - 1.0) * 100.0]).of(ratios.len());
    if cfg!(debug_assertions) {
        return figure.note("not judged: a debug build");
    }
    figure.at_most(3.0).note(format!(
        "the median over pairs of batches, one after the other, on {pairs} pairs of resources"
    ))
}

/// What one lease costs with detection and without, in nanoseconds: pairs of batches, of which each
/// comes first as often as the other.
async fn costs<B: qa_pool::Backend>(
    on: &Group<B>,
    off: &Group<B>,
    batches: u32,
) -> (Vec<f64>, Vec<f64>) {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for nth in 0..batches {
        let (first, second) = if nth % 2 == 0 { (on, off) } else { (off, on) };
        let (first, second) = (batch(first).await, batch(second).await);
        let (on, off) = if nth % 2 == 0 { (first, second) } else { (second, first) };
        with.push(on);
        without.push(off);
        yield_now().await;
    }
    (with, without)
}

/// What one lease costs, in nanoseconds.
async fn batch<B: qa_pool::Backend>(group: &Group<B>) -> f64 {
    let began = Instant::now();
    for _ in 0..BATCH {
        drop(group.acquire().await.unwrap());
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
}

/// Holds leases until each is reported, and a while longer, while many others come and go.
async fn hold<S: Subject>(rig: &Rig<S>, borrows: u64, capture: &Capture) -> Reports {
    drop(capture.take_log());
    let group = rig.group.clone();
    let borrower = tokio::spawn(async move {
        let mut borrowed = 0;
        loop {
            drop(group.acquire().await.unwrap());
            borrowed += 1;
            if borrowed % 100 == 0 {
                yield_now().await;
            }
            if borrowed >= borrows {
                return borrowed;
            }
        }
    });
    let mut held = Vec::new();
    for _ in 0..HELD {
        held.push((Instant::now(), rig.group.acquire().await.unwrap()));
        sleep(THRESHOLD / 20).await;
    }
    let site = held[0].1.acquired_at();
    let (mut after, mut quiet) = (Vec::new(), Instant::now());
    while quiet.elapsed() < AFTERWARDS || !borrower.is_finished() {
        let reported = usize::try_from(rig.status().stats.leaks).unwrap_or(usize::MAX);
        // The oldest are reported first.
        for (taken, _) in held.iter().take(reported).skip(after.len()) {
            after.push(taken.elapsed());
            quiet = Instant::now();
        }
        sleep(Duration::from_millis(10)).await;
    }
    let counted = rig.status().stats.leaks;
    drop(held);
    let (lines, elsewhere) = told(&capture.take_log(), site);
    Reports { after, borrows: borrower.await.unwrap(), counted, lines, elsewhere }
}

/// The lines of a log that tell of leaks, and how many of them do not name `site`.
fn told(log: &str, site: &Location<'_>) -> (usize, usize) {
    let lines = log.lines().filter(|line| line.contains("leak threshold"));
    let lines: Vec<_> = lines.collect();
    let site = format!("acquired_at={site}");
    let elsewhere = lines.iter().filter(|line| !line.contains(&site)).count();
    (lines.len(), elsewhere)
}

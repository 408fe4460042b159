//! `qa bench`: what a round trip to each configured server costs from here.

mod measure;
mod trip;

use crate::Bad;
use crate::output::{bad, say, table};
use crate::signals::interrupted;
use crate::source::{Source, pool};
use crate::words::span;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use measure::{Measured, measure};
use qa_pool::ResourcePool;
use serde::Serialize;
use std::time::Duration;
use trip::Trip;

const EXAMPLES: &str = "Examples:
  qa bench qa.toml                        1, 8 and 64 tasks at once, 3 s each, on each resource
  qa bench qa.toml --tasks 500 --for 30s  more of them, for longer
  qa bench qa.toml --json | jq .          for a script

It makes the smallest round trip that each server has, through the pool, and changes nothing there: Redis'
PING, MongoDB's command ping, ClickHouse's SELECT 1, and a message to RabbitMQ that goes to no queue and is
confirmed. It loads the servers for as long: mind those that others depend on.

Exit codes: 0 measured, 1 something failed meanwhile, 2 bad usage or configuration.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Bench {
    #[command(flatten)]
    source: Source,
    /// How long to measure each resource with each number of tasks
    #[arg(long = "for", default_value = "3s", value_parser = time, value_name = "TIME")]
    time: Duration,
    /// How many tasks make round trips at once, 1 to 10000; several numbers are measured in turn
    #[arg(
        long,
        default_value = "1,8,64",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=10_000),
        value_name = "NUMBERS"
    )]
    tasks: Vec<u16>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// From 10 ms to an hour: less measures nothing, and more is a mistake.
fn time(text: &str) -> Result<Duration, String> {
    let time = crate::cli::duration(text)?;
    let allowed = Duration::from_millis(10)..=Duration::from_secs(3600);
    if allowed.contains(&time) { Ok(time) } else { Err("write a time from 10ms to 1h".to_owned()) }
}

pub(crate) async fn run(options: Bench) -> anyhow::Result<()> {
    let config = options.source.read()?;
    let pool = pool(&config)?;
    let rows = tokio::select! {
        rows = rows(&pool, &options) => rows,
        () = interrupted() => {
            pool.close(config.shutdown_timeout).await;
            anyhow::bail!("interrupted before everything was measured");
        }
    };
    pool.close(config.shutdown_timeout).await;
    if options.json {
        say!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows);
    }
    if rows.iter().any(|row| row.error.is_some()) { Err(Bad.into()) } else { Ok(()) }
}

/// One resource, measured with one number of tasks.
#[derive(Serialize)]
struct Row {
    name: String,
    round_trip: &'static str,
    tasks: u16,
    trips: usize,
    trips_per_second: f64,
    p50_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    max_seconds: Option<f64>,
    failed_tasks: usize,
    error: Option<String>,
}

impl Row {
    fn new(name: &str, trip: &Trip, tasks: u16, measured: Measured) -> Self {
        let seconds =
            |percent| measured.percentile(percent).map(|time: Duration| time.as_secs_f64());
        Self {
            name: name.to_owned(),
            round_trip: trip.what(),
            tasks,
            trips: measured.trips(),
            trips_per_second: measured.per_second(),
            p50_seconds: seconds(50),
            p99_seconds: seconds(99),
            max_seconds: seconds(100),
            failed_tasks: measured.failed,
            error: measured.error,
        }
    }
}

/// Measures one after the other, so that none is in the way of another.
async fn rows(pool: &ResourcePool, options: &Bench) -> Vec<Row> {
    // Who can't be connected says so with its first round trip.
    let _ = pool.connect().await;
    let groups = pool.groups();
    let progress = ProgressBar::new((groups.len() * options.tasks.len()) as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {elapsed}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(200));
    let mut rows = Vec::new();
    for group in groups {
        let Some(trip) = Trip::of(pool, &group.name) else { continue };
        for &tasks in &options.tasks {
            progress.set_message(format!("{} with {tasks} at once", group.name));
            let measured = measure(&trip, usize::from(tasks), options.time).await;
            rows.push(Row::new(&group.name, &trip, tasks, measured));
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    rows
}

fn print(rows: &[Row]) {
    let time = |seconds: Option<f64>| {
        seconds.map_or("–".to_owned(), |seconds| span(Duration::from_secs_f64(seconds)))
    };
    let cells = rows.iter().map(|row| {
        let failed = row.failed_tasks.to_string();
        vec![
            row.name.clone(),
            row.round_trip.to_owned(),
            row.tasks.to_string(),
            format!("{:.0}", row.trips_per_second),
            time(row.p50_seconds),
            time(row.p99_seconds),
            time(row.max_seconds),
            if row.failed_tasks == 0 { failed } else { bad(&failed) },
        ]
    });
    let header = ["name", "round trip", "tasks", "per second", "p50", "p99", "max", "failed"];
    say!("{}", table(&header, 2, cells));
    for row in rows {
        if let Some(error) = &row.error {
            say!("\n{} with {} at once: {error}", row.name, row.tasks);
        }
    }
}

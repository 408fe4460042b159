//! `qa watch`: how everything stands, as it changes.

use crate::looking::look_on;
use crate::output::{bad, good, table, warn};
use crate::said::{one_line, said};
use crate::screen::Screen;
use crate::signals::interrupted;
use crate::source::{Source, pool};
use crate::words::{clock, now, span};
use clap::Args;
use console::Term;
use qa_pool::{Error, Health, ResourcePool, State, Status};
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

const EXAMPLES: &str = "Examples:
  qa watch qa.toml                a table that is kept up to date; Ctrl-C ends it
  qa watch qa.toml --every 200ms  more often
  qa watch qa.toml | tee log      a line for each change

A RabbitMQ broker is sent an empty message that goes to no queue, every 5 s: it tells of an alarm only those
who publish.

Exit codes: 0 it was ended, 1 it could not be shown, 2 bad usage or configuration.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Watch {
    #[command(flatten)]
    source: Source,
    /// How often to look
    #[arg(long, default_value = "1s", value_parser = crate::cli::duration, value_name = "TIME")]
    every: Duration,
}

pub(crate) async fn run(options: Watch) -> anyhow::Result<()> {
    let config = options.source.read()?;
    let pool = pool(&config)?;
    let looking = tokio::spawn(look_on(pool.clone()));
    let every = options.every.max(Duration::from_millis(50));
    let terminal = Term::stdout();
    let shown = async {
        if terminal.is_term() {
            live(&pool, terminal, every).await
        } else {
            lines(&pool, every).await
        }
    };
    // The screen is left before anything else is said.
    let shown = tokio::select! {
        shown = shown => shown,
        () = interrupted() => Ok(()),
    };
    pool.close(config.shutdown_timeout).await;
    let _ = looking.await;
    match shown {
        // Who reads has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => Ok(shown?),
    }
}

/// A table in place; ends with an error only.
async fn live(pool: &ResourcePool, terminal: Term, every: Duration) -> io::Result<()> {
    let screen = Screen::open(terminal)?;
    let (mut ticks, mut rates) = (ticks(every), Rates::default());
    loop {
        ticks.tick().await;
        let statuses = pool.status();
        screen.draw(&render(&statuses, &rates.note(&statuses, Instant::now())))?;
    }
}

/// A line for each change; ends with an error only.
async fn lines(pool: &ResourcePool, every: Duration) -> io::Result<()> {
    let mut ticks = ticks(every);
    let mut known = HashMap::new();
    loop {
        ticks.tick().await;
        for status in pool.status() {
            let word = word(&status);
            let key = (status.name.to_string(), status.address.clone());
            if known.insert(key, word) != Some(word) {
                let mut out = io::stdout().lock();
                writeln!(out, "{} {}", clock(now()), line(&status, word))?;
                out.flush()?;
            }
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn line(status: &Status, word: &str) -> String {
    let head = format!("{} ({} at {}) is {word}", status.name, status.system, status.address);
    match why(status) {
        Some(why) => format!("{head}: {}", one_line(said(status.system, &status.address, why))),
        None => head,
    }
}

/// The table, and below it a line for each that is not well, as short as it can be: the screen cuts it at its
/// edge. The whole error is in `qa check`.
fn render(statuses: &[Status], rates: &[f64]) -> String {
    let rows = statuses.iter().zip(rates).map(|(status, rate)| {
        vec![
            status.name.to_string(),
            coloured(word(status)),
            span(status.in_state),
            status.health.latency.map_or("–".to_owned(), span),
            status.leases.to_string(),
            format!("{rate:.1}"),
            status.stats.errors.to_string(),
            status.stats.disconnects.to_string(),
            status.last_outage.map_or("–".to_owned(), span),
            format!("{} at {}", status.system, status.address),
        ]
    });
    let header = [
        "name",
        "state",
        "for",
        "ping",
        "leases",
        "ops/s",
        "errors",
        "lost",
        "back after",
        "where",
    ];
    let mut text = table(&header, usize::MAX, rows);
    for status in statuses {
        if let Some(why) = why(status) {
            let why = one_line(said(status.system, &status.address, why));
            text.extend(["\n", &status.name, ": ", &why]);
            // The table's last column is the first that a narrow screen has no room for.
            if !why.contains(&status.address) {
                text.extend([" (", &status.address, ")"]);
            }
        }
    }
    text + "\nCtrl-C ends"
}

/// State and health in one word.
fn word(status: &Status) -> &'static str {
    match (status.state, status.health.health) {
        (State::Ready, Health::Degraded) => "degraded",
        (state, _) => state.as_str(),
    }
}

fn coloured(word: &str) -> String {
    match word {
        "ready" => good(word),
        "degraded" | "connecting" => warn(word),
        _ => bad(word),
    }
}

/// Why it is not well.
fn why(status: &Status) -> Option<&Error> {
    let ready = status.state == State::Ready;
    let error = if ready { &status.health.error } else { &status.last_error };
    error.as_ref()
}

/// Leases given per second, between two looks.
#[derive(Default)]
struct Rates(HashMap<(String, String), (u64, Instant)>);

impl Rates {
    fn note(&mut self, statuses: &[Status], now: Instant) -> Vec<f64> {
        let rates = statuses.iter().map(|status| {
            let key = (status.name.to_string(), status.address.clone());
            let operations = status.stats.operations;
            let (before, then) = self.0.insert(key, (operations, now)).unwrap_or((operations, now));
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            let done = u32::try_from(operations.saturating_sub(before)).unwrap_or(u32::MAX);
            if seconds > 0.0 { f64::from(done) / seconds } else { 0.0 }
        });
        rates.collect()
    }
}

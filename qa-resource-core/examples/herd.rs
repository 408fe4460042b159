//! Hundreds of processes lose a server at once: when do they come back, and how many of them together?
//! A simulation, with the delays that reconnects really have; it needs no server.
//!
//! `cargo run -p qa-resource-core --example herd -- 300 4 60 5`: 300 processes with 4 resources each, an
//! outage of 60 s in which the port refuses, and a server that needs 5 ms for each login. With an outage
//! of 0 s everybody is cut, and the server is well.

use qa_resource_core::{Backoff, Settings};
use std::env::args;
use std::time::Duration;

/// Who comes within this comes at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// How a client waits between two attempts: the delay after the one before.
type Pace = fn(Option<Duration>) -> Duration;

const PACES: [(&str, Pace); 4] = [
    ("qa-resource", at_once),
    ("the same with a delay first", jittered),
    ("doubling to 5 s, no jitter", doubling),
    ("every second", |_| Duration::from_secs(1)),
];

/// The first attempt is made at once; the next one waits as if it were the first.
fn at_once(previous: Option<Duration>) -> Duration {
    match previous {
        None => Duration::ZERO,
        Some(Duration::ZERO) => jittered(None),
        delay => jittered(delay),
    }
}

fn jittered(previous: Option<Duration>) -> Duration {
    let Settings { backoff_floor, backoff_cap, .. } = Settings::default();
    Backoff::new(backoff_floor, backoff_cap).next(previous, fastrand::f64())
}

fn doubling(previous: Option<Duration>) -> Duration {
    let Settings { backoff_floor, backoff_cap, .. } = Settings::default();
    previous.map_or(backoff_floor, |previous| (previous * 2).min(backoff_cap))
}

/// When each client comes after the outage's end: its first attempt that is not refused. A refusal takes
/// no time. That the server is lost is noticed within a few milliseconds.
fn arrivals(clients: usize, outage: Duration, pace: Pace) -> Vec<Duration> {
    let arrival = |_| {
        let (mut now, mut delay) = (Duration::from_micros(fastrand::u64(..5_000)), None);
        loop {
            let next = pace(delay);
            now += next;
            delay = Some(next);
            if now >= outage {
                return now.saturating_sub(outage);
            }
        }
    };
    let mut all: Vec<_> = (0..clients).map(arrival).collect();
    all.sort();
    all
}

/// The most that come within [`AT_ONCE`].
fn peak(arrivals: &[Duration]) -> usize {
    let together = |first: usize| {
        let end = arrivals[first] + AT_ONCE;
        arrivals[first..].iter().take_while(|at| **at < end).count()
    };
    (0..arrivals.len()).map(together).max().unwrap_or_default()
}

/// When each has logged in, at a server that does one login after the other.
fn ready(arrivals: &[Duration], login: Duration) -> Vec<Duration> {
    let mut free = Duration::ZERO;
    let serve = |at: &Duration| {
        free = free.max(*at) + login;
        free
    };
    arrivals.iter().map(serve).collect()
}

fn main() {
    let given: Vec<u64> = args().skip(1).map_while(|word| word.parse().ok()).collect();
    let number = |at: usize, default| given.get(at).copied().unwrap_or(default);
    let (processes, each) = (number(0, 300), number(1, 4));
    let (outage, login) = (Duration::from_secs(number(2, 60)), Duration::from_millis(number(3, 5)));
    let clients = usize::try_from(processes * each).unwrap_or(usize::MAX);
    println!(
        "{clients} resources of {processes} processes, refused for {outage:?}, {login:?} a login"
    );
    println!(
        "{:<28} {:>14} {:>12} {:>12} {:>14}",
        "", "most in 100 ms", "half ready", "all ready", "longest login"
    );
    for (name, pace) in PACES {
        let came = arrivals(clients, outage, pace);
        let ready = ready(&came, login);
        let waits = came.iter().zip(&ready).map(|(came, ready)| ready.saturating_sub(*came));
        let [half, all] = [ready.len() / 2, ready.len().saturating_sub(1)].map(|at| ready.get(at));
        println!(
            "{name:<28} {:>14} {:>10.1} s {:>10.1} s {:>12.2} s",
            peak(&came),
            half.map_or(0.0, Duration::as_secs_f64),
            all.map_or(0.0, Duration::as_secs_f64),
            waits.max().unwrap_or_default().as_secs_f64(),
        );
    }
}

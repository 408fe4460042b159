//! A part of B2: reads beside a caller that waits on a list, which has a connection of its own.

use super::all;
use crate::bench::Bench;
use crate::contest::{Contest, Doing, Party};
use anyhow::{Result, ensure};
use qa_pool::core::Resource;
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncCommands;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

const TASKS: usize = 20;

/// From one read of a task to its next.
const EACH: Duration = Duration::from_millis(2);

pub(super) fn contest(bench: &Bench, ours: &Resource<Redis>) -> Contest {
    let lasts = bench.pick(Duration::from_millis(100), Duration::from_secs(1));
    let title = "a GET each 2 ms, 20 tasks";
    Contest::new(title, &["ms p50", "ms p99"], "beside a BLPOP", party(ours, lasts, true))
        .beside("the same with none", &[], party(ours, lasts, false))
        .rounds_at_most(10)
}

/// Reads for so long, while somebody waits on a list all the time, or nobody does.
fn party(ours: &Resource<Redis>, lasts: Duration, waits: bool) -> impl Party + 'static {
    let ours = ours.clone();
    Doing(move || {
        let ours = ours.clone();
        async move {
            if !waits {
                return reads(&ours, lasts).await;
            }
            let (waited, measured) = tokio::join!(wait(&ours, lasts), reads(&ours, lasts));
            waited?;
            measured
        }
    })
}

/// On a list that stays empty.
async fn wait(ours: &Resource<Redis>, lasts: Duration) -> Result<()> {
    let lease = ours.acquire().await?;
    let mut dedicated = lease.dedicated().await?;
    let none: Option<(String, String)> = dedicated.blpop("empty", lasts.as_secs_f64()).await?;
    ensure!(none.is_none(), "somebody pushed something");
    Ok(())
}

/// How long a read took: in the middle, and the hundredth part that took longest.
async fn reads(ours: &Resource<Redis>, lasts: Duration) -> Result<Vec<f64>> {
    let took = Arc::new(Mutex::new(Vec::new()));
    all(TASKS, |_| {
        let (ours, took) = (ours.clone(), Arc::clone(&took));
        async move {
            let own = read(&ours, lasts).await?;
            took.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
            Ok(())
        }
    })
    .await?;
    let mut took = took.lock().unwrap_or_else(PoisonError::into_inner);
    took.sort_unstable();
    let at = |percent: usize| took[took.len() * percent / 100].as_secs_f64() * 1e3;
    Ok(vec![at(50), at(99)])
}

async fn read(ours: &Resource<Redis>, lasts: Duration) -> Result<Vec<Duration>> {
    let mut ticks = interval(EACH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (began, mut took) = (Instant::now(), Vec::new());
    while began.elapsed() < lasts {
        ticks.tick().await;
        let asked = Instant::now();
        let lease = ours.acquire().await?;
        let _: String = lease.clone().get("key").await?;
        took.push(asked.elapsed());
    }
    Ok(took)
}

//! Operations at a steady rate, whatever becomes of them: an open loop.

use futures_util::future::join_all;
use integration_tests::Subject;
use qa_pool::{Error, Group};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Every question of a process has a number of its own, so that an answer to another one is seen.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// A question that nobody in this process has asked before.
pub(crate) fn number() -> u64 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// One operation, as it ended.
#[derive(Debug)]
pub(crate) struct Operation {
    /// When it should have begun: a generator that lags does not flatter the figures.
    pub(crate) due: Instant,
    /// How long it took, from when it was due.
    pub(crate) took: Duration,
    /// The error, where it failed.
    pub(crate) error: Option<Error>,
    /// Whether the answer was another's.
    pub(crate) misdelivered: bool,
}

impl Operation {
    /// When it ended.
    pub(crate) fn ended(&self) -> Instant {
        self.due + self.took
    }
}

/// Operations on a group at a steady rate, each in a task of its own. Dropped, it ends them all.
#[derive(Debug)]
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    generator: JoinHandle<Vec<Operation>>,
}

impl Load {
    /// Asks `group` so many questions per second from now on.
    pub(crate) fn start<S: Subject>(group: &Group<S::Backend>, per_second: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let generator = tokio::spawn(generate::<S>(group.clone(), per_second, stopped));
        Self { stop, generator }
    }

    /// Asks no more, waits for what is under way, and gives every operation in no order; `None`
    /// where some have not ended within `limit`: they hang.
    pub(crate) async fn stop(mut self, limit: Duration) -> Option<Vec<Operation>> {
        self.stop.send_replace(true);
        let ended = timeout(limit, &mut self.generator).await.ok()?;
        Some(ended.unwrap_or_else(|error| panic!("the load: {error}")))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.generator.abort();
    }
}

/// The tasks are those of a set, so that they end with it.
async fn generate<S: Subject>(
    group: Group<S::Backend>,
    per_second: u32,
    mut stop: watch::Receiver<bool>,
) -> Vec<Operation> {
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut running, mut ended) = (JoinSet::new(), Vec::new());
    loop {
        tokio::select! {
            due = ticks.tick() => {
                running.spawn(once::<S>(group.clone(), due.into_std()));
            }
            Some(operation) = running.join_next() => ended.push(operation.unwrap()),
            _ = stop.changed() => break,
        }
    }
    while let Some(operation) = running.join_next().await {
        ended.push(operation.unwrap());
    }
    ended
}

async fn once<S: Subject>(group: Group<S::Backend>, due: Instant) -> Operation {
    let number = number();
    let answer = S::echo(&group, number).await;
    let misdelivered = answer.as_ref().is_ok_and(|answer| *answer != number);
    Operation { due, took: due.elapsed(), error: answer.err(), misdelivered }
}

/// Stops several loads at once: all their operations, or `None` where some hang.
pub(crate) async fn stop_all(loads: Vec<Load>, limit: Duration) -> Option<Vec<Operation>> {
    let stopped = join_all(loads.into_iter().map(|load| load.stop(limit))).await;
    stopped.into_iter().collect::<Option<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
}

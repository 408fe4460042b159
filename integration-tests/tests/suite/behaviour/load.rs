//! A load whose every operation has to end in time.

use super::{NOTICED, PATIENCE, back};
use futures_util::future::join_all;
use integration_tests::{Rig, Subject, eventually, reaches, within};
use qa_pool::{Settings, State};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::interval;

/// Tasks that ask at the same time.
const TASKS: u64 = 20;

/// Between two questions of a task: two hundred a second in all.
const PACE: Duration = Duration::from_millis(100);

/// Beyond its limit an operation may take this.
const SLACK: Duration = Duration::from_millis(250);

/// Settings under which an outage shows soon in every operation.
pub(crate) fn settings() -> Settings {
    Settings { operation_timeout: Duration::from_secs(3), ..Settings::default() }
}

/// Has a fault come over a rig under load and go again: no operation hangs, the connection is
/// replaced once, and the load goes on.
pub(crate) async fn outlives<S: Subject>(
    rig: &Rig<S>,
    fault: impl AsyncFnOnce(),
    heal: impl AsyncFnOnce(),
) {
    let load = Load::default();
    let story = async {
        load.is_answered().await;
        fault().await;
        reaches(&rig.group, State::Reconnecting, NOTICED).await;
        load.is_refused().await;
        heal().await;
        reaches(&rig.group, State::Ready, back(rig)).await;
        load.is_answered().await;
        load.end();
    };
    tokio::join!(load.on(rig), story);
    let status = rig.status();
    assert_eq!((status.generation, status.stats.disconnects), (2, 1), "it was replaced once");
    assert_eq!((status.state, status.leases), (State::Ready, 0));
}

/// What became of the operations of a load.
#[derive(Default)]
struct Load {
    answered: AtomicU64,
    refused: AtomicU64,
    over: AtomicBool,
}

impl Load {
    /// Asks, until the load is ended. Each operation must end within its limit, with the right
    /// answer or an error that passes.
    async fn on<S: Subject>(&self, rig: &Rig<S>) {
        let numbers = (1..=TASKS).map(|task| task << 32);
        join_all(numbers.map(|first| self.ask_on(rig, first))).await;
    }

    async fn ask_on<S: Subject>(&self, rig: &Rig<S>, first: u64) {
        let limit = rig.group.settings().operation_timeout + SLACK;
        let mut pace = interval(PACE);
        let mut numbers = first..;
        while let (false, Some(number)) = (self.over.load(Relaxed), numbers.next()) {
            pace.tick().await;
            match within("an operation", limit, rig.echo(number)).await {
                Ok(()) => self.answered.fetch_add(1, Relaxed),
                Err(error) => {
                    assert!(error.kind().is_transient(), "{error}");
                    self.refused.fetch_add(1, Relaxed)
                }
            };
        }
    }

    /// Waits until many more operations were answered.
    async fn is_answered(&self) {
        grows("answers", &self.answered).await;
    }

    /// Waits until many more operations failed.
    async fn is_refused(&self) {
        grows("errors", &self.refused).await;
    }

    /// Lets each task end its last operation.
    fn end(&self) {
        self.over.store(true, Relaxed);
    }
}

async fn grows(what: &str, count: &AtomicU64) {
    let enough = count.load(Relaxed) + 2 * TASKS;
    eventually(what, PATIENCE, async || count.load(Relaxed) >= enough).await;
}

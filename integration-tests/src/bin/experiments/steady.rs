//! Numbered operations, begun at a steady rate for as long as faults last, and how each ended.

use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Between two times that some are begun.
const TICK: Duration = Duration::from_millis(10);

/// How they are begun.
pub(crate) struct Steady {
    /// So many at each tick.
    pub(crate) at_once: usize,
    /// So many in all, at the least.
    pub(crate) least: usize,
    /// What has not ended so long after the last was begun hangs.
    pub(crate) patience: Duration,
}

impl Steady {
    /// Begins each number once, from 0 on, until it is `over`; gives how each ended, `hangs` of those
    /// that did not.
    pub(crate) async fn run<E, F>(
        &self,
        over: watch::Receiver<bool>,
        hangs: E,
        once: impl Fn(usize) -> F,
    ) -> Vec<E>
    where
        E: Copy + Send + 'static,
        F: Future<Output = E> + Send + 'static,
    {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut running, mut ends) = (JoinSet::new(), Vec::new());
        while ends.len() < self.least || !*over.borrow() {
            ticks.tick().await;
            for _ in 0..self.at_once {
                let number = ends.len();
                ends.push(hangs);
                let operation = once(number);
                running.spawn(async move { (number, operation.await) });
            }
            while let Some(ended) = running.try_join_next() {
                let (number, end) = ended.unwrap();
                ends[number] = end;
            }
        }
        let rest = async {
            while let Some(ended) = running.join_next().await {
                let (number, end) = ended.unwrap();
                ends[number] = end;
            }
        };
        // Those that are left keep what they were noted as.
        let _ = timeout(self.patience, rest).await;
        ends
    }
}

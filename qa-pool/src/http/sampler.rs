//! The task that looks at the pool now and then.

use super::Prometheus;
use super::history::{History, INTERVAL};
use crate::ResourcePool;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

/// Keeps the history of a pool's resources for as long as it is there.
pub(crate) struct Sampler {
    history: Arc<Mutex<History>>,
    _task: AbortOnDropHandle<()>,
}

impl Sampler {
    /// Begins to look. Needs a Tokio runtime.
    pub(crate) fn start(pool: &ResourcePool, prometheus: Option<Prometheus>) -> Self {
        let history = Arc::<Mutex<History>>::default();
        let task = tokio::spawn(look(pool.clone(), Arc::clone(&history), prometheus));
        Self { history, _task: AbortOnDropHandle::new(task) }
    }

    /// Reads the history.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&History) -> T) -> T {
        read(&self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn look(pool: ResourcePool, history: Arc<Mutex<History>>, prometheus: Option<Prometheus>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let statuses = pool.status();
        history.lock().unwrap_or_else(PoisonError::into_inner).note(&statuses, Instant::now());
        if let Some(prometheus) = &prometheus {
            prometheus.keep_up();
        }
    }
}

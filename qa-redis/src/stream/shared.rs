//! What a consumer's handle, its task and its handlers share.

use super::entry::StreamEntry;
use super::settings::StreamSettings;
use crate::Redis;
use futures_util::future::BoxFuture;
use qa_resource_core::{Attachment, Group, Stage, Undrained, async_trait};
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A handler, with its error as text: nothing but a log has a use for that.
pub(super) type Handler =
    dyn Fn(StreamEntry) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

pub(super) struct Shared {
    pub(super) group: Group<Redis>,
    pub(super) settings: StreamSettings,
    name: String,
    pub(super) handler: Box<Handler>,
    /// Handlers that may still begin.
    pub(super) slots: Arc<Semaphore>,
    /// The ids of entries that are being handled, over all restarts: what is given to us again
    /// meanwhile is not handled twice.
    under_way: Mutex<HashSet<String>>,
    pub(super) handled: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) buried: AtomicU64,
    pub(super) reading: watch::Sender<bool>,
    /// Take nothing new in, and finish.
    pub(super) stop: CancellationToken,
    /// Give up what is not finished.
    pub(super) abort: CancellationToken,
    pub(super) supervisor: TaskTracker,
    pub(super) handlers: TaskTracker,
}

impl Shared {
    pub(super) fn new(
        group: Group<Redis>,
        settings: StreamSettings,
        handler: Box<Handler>,
    ) -> Self {
        let settings = settings.bounded();
        Self {
            name: format!("consumer of `{}`", settings.stream),
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            group,
            settings,
            handler,
            under_way: Mutex::default(),
            handled: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            buried: AtomicU64::new(0),
            reading: watch::Sender::new(false),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            supervisor: TaskTracker::new(),
            handlers: TaskTracker::new(),
        }
    }

    pub(super) fn under_way(&self) -> MutexGuard<'_, HashSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Attachment for Shared {
    fn name(&self) -> &str {
        &self.name
    }

    fn stage(&self) -> Stage {
        Stage::Intake
    }

    fn quiesce(&self) {
        self.stop.cancel();
    }

    /// Waits for the handlers. Given up, it gives up the handlers too: their entries are given to
    /// another.
    async fn drain(&self) -> Result<(), Undrained> {
        self.stop.cancel();
        let give_up = self.abort.clone().drop_guard();
        self.supervisor.wait().await;
        give_up.disarm();
        if self.abort.is_cancelled() {
            let limit = self.settings.drain_limit;
            return Err(Undrained(format!("handlers still ran after {limit:?} and were dropped")));
        }
        Ok(())
    }
}

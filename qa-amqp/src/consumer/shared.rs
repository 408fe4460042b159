//! What a consumer's handle, its task and its handlers share.

use super::delivery::Delivery;
use super::failed::Failed;
use super::lanes::Lanes;
use super::settings::{ConsumerSettings, OnError};
use super::stats::Counters;
use crate::metrics::ConsumeMeter;
use crate::{Publisher, PublisherSettings, RabbitMq};
use futures_util::future::BoxFuture;
use qa_resource_core::{Attachment, Group, Stage, Undrained, async_trait};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A handler, with its error as text: nothing but a log has a use for that.
pub(super) type Handler = dyn Fn(Delivery) -> BoxFuture<'static, Result<(), Failed>> + Send + Sync;

pub(super) struct Shared {
    pub(super) group: Group<RabbitMq>,
    pub(super) settings: ConsumerSettings,
    pub(super) name: String,
    pub(super) handler: Box<Handler>,
    /// What puts messages into the queue for the dead.
    pub(super) parking: Option<Publisher>,
    pub(super) lanes: Lanes,
    pub(super) counters: Counters,
    pub(super) meter: ConsumeMeter,
    /// Handlers that may still begin. Shared by all restarts, so that those of a lost channel count.
    pub(super) slots: Arc<Semaphore>,
    /// Whether the broker has us as a consumer.
    pub(super) consuming: watch::Sender<bool>,
    /// Take nothing new in, and finish.
    pub(super) stop: CancellationToken,
    /// Give up what is not finished.
    pub(super) abort: CancellationToken,
    pub(super) supervisor: TaskTracker,
    pub(super) handlers: TaskTracker,
}

impl Shared {
    pub(super) fn new(
        group: Group<RabbitMq>,
        settings: ConsumerSettings,
        handler: Box<Handler>,
    ) -> Self {
        Self {
            name: format!("consumer of `{}`", settings.queue),
            meter: ConsumeMeter::new(group.name(), &settings.queue),
            slots: Arc::new(Semaphore::new(settings.bounded_concurrency())),
            parking: parking(&settings).map(|parking| Publisher::new(group.clone(), parking)),
            lanes: Lanes::default(),
            group,
            settings,
            handler,
            counters: Counters::default(),
            consuming: watch::Sender::new(false),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            supervisor: TaskTracker::new(),
            handlers: TaskTracker::new(),
        }
    }
}

/// Only who tries again has messages that have failed for good.
fn parking(settings: &ConsumerSettings) -> Option<PublisherSettings> {
    if !matches!(settings.on_error, OnError::Retry { .. }) {
        return None;
    }
    let name = format!("dead letters of `{}`", settings.queue);
    let window = settings.bounded_concurrency();
    Some(PublisherSettings { name, window, ..PublisherSettings::default() })
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

    /// Waits for the handlers and for the goodbye. Given up, it gives up the handlers too: their
    /// messages stay with the broker.
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

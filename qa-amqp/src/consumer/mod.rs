//! Consuming that comes back by itself.

mod delivery;
mod due;
mod failed;
mod handle;
mod in_turn;
mod intake;
mod lanes;
mod settings;
mod shared;
mod stats;
mod supervise;

pub use delivery::Delivery;
pub use failed::Failed;
pub use settings::{ConsumerSettings, OnError, Order};
pub use stats::ConsumerStats;

use crate::RabbitMq;
use futures_util::FutureExt;
use qa_resource_core::{Attachment, Group, Undrained};
use serde::de::DeserializeOwned;
use shared::Shared;
use std::fmt;
use std::sync::Arc;

/// Consumes a queue for as long as it is kept: each message is handed to an async function and
/// acknowledged once that has succeeded.
///
/// It begins anew, with growing pauses up to 5 s, whenever consuming ends: the connection was lost,
/// the channel was closed by an error, the broker cancelled the consumer, the queue is not there
/// (yet). Messages that were not acknowledged are delivered again, so a handler may see one twice;
/// [`Delivery::message_id`] tells.
///
/// Stopped by [`stop`](Consumer::stop), by its resource's close, or by being dropped, it takes
/// nothing new in, finishes what the broker has already sent, and closes its channel behind the
/// last acknowledgement.
#[must_use = "a consumer stops when it is dropped"]
pub struct Consumer(Arc<Shared>);

impl Consumer {
    /// Starts to consume. Returns at once; [`consuming`](Consumer::consuming) tells when the broker
    /// has accepted.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start<H, F, E>(
        group: impl Into<Group<RabbitMq>>,
        settings: ConsumerSettings,
        handler: H,
    ) -> Self
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failed>,
    {
        let group = group.into();
        let handler = Box::new(move |delivery| {
            handler(delivery).map(|handled| handled.map_err(Into::into)).boxed()
        });
        let shared = Arc::new(Shared::new(group.clone(), settings, handler));
        let attachment: Arc<dyn Attachment> = Arc::clone(&shared) as _;
        group.attach(&attachment);
        shared.supervisor.spawn(supervise::supervise(Arc::clone(&shared)));
        shared.supervisor.close();
        Self(shared)
    }

    /// As [`start`](Self::start), with a handler that is given each message's content read as JSON.
    /// What is not JSON of its kind is rejected: it never will be.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_json<T, H, F, E>(
        group: impl Into<Group<RabbitMq>>,
        settings: ConsumerSettings,
        handler: H,
    ) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        H: Fn(T, Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failed> + 'static,
    {
        Self::start(group, settings, move |delivery| {
            let work = delivery.json().map(|value| handler(value, delivery));
            async move { work?.await.map_err(Into::into) }
        })
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> ConsumerStats {
        self.0.counters.read()
    }

    /// Whether no handler runs at the moment.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.handlers.is_empty()
    }

    /// Whether the broker has it as a consumer at the moment.
    #[must_use]
    pub fn is_consuming(&self) -> bool {
        *self.0.consuming.borrow()
    }

    /// Waits until the broker has it as a consumer. For ever where that never happens: bound it.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn consuming(&self) {
        let mut consuming = self.0.consuming.subscribe();
        // The sender lives as long as this handle.
        let _ = consuming.wait_for(|consuming| *consuming).await;
    }

    /// Stops it and waits until it has: nothing new is taken in, what the broker has already sent is
    /// handled, the channel is closed. Bounded by [`drain_limit`](ConsumerSettings::drain_limit).
    ///
    /// # Errors
    /// [`Undrained`] where handlers had to be dropped; the broker delivers their messages again.
    ///
    /// # Cancel safety
    /// It stops all the same; handlers that still run are dropped.
    pub async fn stop(&self) -> Result<(), Undrained> {
        self.0.drain().await
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("queue", &self.0.settings.queue)
            .field("resource", &self.0.group.name())
            .field("consuming", &self.is_consuming())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

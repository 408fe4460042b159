//! Consumer groups of streams.

mod ask;
mod entry;
mod handle;
mod settings;
mod shared;
mod supervise;

pub use entry::StreamEntry;
pub use settings::StreamSettings;

use crate::Redis;
use futures_util::FutureExt;
use qa_resource_core::{Attachment, Group, Undrained};
use shared::Shared;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A member of a stream's consumer group for as long as it is kept: each entry is handed to an async
/// function and acknowledged once that has succeeded.
///
/// Every entry is handled at least once, by some member:
/// - What was given to this member before it was restarted is handled first.
/// - What was given to another that does not acknowledge it is taken over after
///   [`idle`](StreamSettings::idle), and so is what a handler has failed on. Handlers that take longer
///   keep theirs.
/// - What was given out too often ([`deliveries`](StreamSettings::deliveries)) goes to the stream
///   `{stream}:dead`, with its id in the field `id`.
/// - Reading begins anew, with growing pauses up to 5 s, whenever it ends: the connection was lost, the
///   group or the stream was removed (both are made anew).
///
/// Stopped by [`stop`](Self::stop), by its resource's close, or by being dropped, it takes nothing new
/// in and finishes what it has begun. It reads over a [dedicated](crate::Client::dedicated) connection
/// and needs Redis 6.2.
///
/// ```no_run
/// # async fn example(resource: qa_resource_core::Resource<qa_redis::Redis>) {
/// use qa_redis::{StreamConsumer, StreamSettings};
/// let settings = StreamSettings::new("orders", "risk");
/// let consumer = StreamConsumer::start(resource.clone(), settings, async |entry| {
///     let code: Option<String> = entry.get("code")?;
///     println!("{}: {code:?}", entry.id);
///     Ok::<_, qa_redis::redis::RedisError>(())
/// });
/// # }
/// ```
#[must_use = "a consumer stops when it is dropped"]
pub struct StreamConsumer(Arc<Shared>);

/// What a [`StreamConsumer`] has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// Entries that were handled and acknowledged.
    pub handled: u64,
    /// Times that a handler has failed.
    pub failed: u64,
    /// Entries that were put to the dead.
    pub buried: u64,
}

impl StreamConsumer {
    /// Starts to read. Returns at once; [`reading`](Self::reading) tells when the group is there.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start<H, F, E>(
        group: impl Into<Group<Redis>>,
        settings: StreamSettings,
        handler: H,
    ) -> Self
    where
        H: Fn(StreamEntry) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let handler = Box::new(move |entry| {
            handler(entry).map(|handled| handled.map_err(|error| error.to_string())).boxed()
        });
        let shared = Arc::new(Shared::new(group.into(), settings, handler));
        let attachment: Arc<dyn Attachment> = Arc::clone(&shared) as _;
        shared.group.attach(&attachment);
        shared.supervisor.spawn(supervise::supervise(Arc::clone(&shared)));
        shared.supervisor.close();
        Self(shared)
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared { handled, failed, buried, .. } = &*self.0;
        StreamStats { handled: read(handled), failed: read(failed), buried: read(buried) }
    }

    /// Waits until it reads. For ever where that never happens: bound it.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn reading(&self) {
        let mut reading = self.0.reading.subscribe();
        // The sender lives as long as this handle.
        let _ = reading.wait_for(|reading| *reading).await;
    }

    /// Stops it and waits until it has: nothing new is taken in, what was begun is finished. Bounded by
    /// [`drain_limit`](StreamSettings::drain_limit).
    ///
    /// # Errors
    /// [`Undrained`] where handlers had to be dropped; their entries are given out again.
    ///
    /// # Cancel safety
    /// It stops all the same; handlers that still run are dropped.
    pub async fn stop(&self) -> Result<(), Undrained> {
        self.0.drain().await
    }
}

impl Drop for StreamConsumer {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}

impl fmt::Debug for StreamConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConsumer")
            .field("stream", &self.0.settings.stream)
            .field("group", &self.0.settings.group)
            .field("stats", &self.stats())
            .finish()
    }
}

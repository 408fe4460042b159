//! One entry: handled, then acknowledged.

use super::ask;
use super::entry::StreamEntry;
use super::shared::Shared;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OwnedSemaphorePermit;

/// An entry that is being handled, until this is dropped.
struct UnderWay<'a> {
    shared: &'a Shared,
    id: String,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.shared.under_way().remove(&self.id);
    }
}

/// Hands an entry to a task of its own, unless one has it already.
pub(super) fn spawn(shared: &Arc<Shared>, entry: StreamEntry, slot: OwnedSemaphorePermit) {
    let id = entry.id.clone();
    if !shared.under_way().insert(id.clone()) {
        return;
    }
    let this = Arc::clone(shared);
    shared.handlers.spawn(async move {
        let under_way = UnderWay { shared: &this, id };
        // Dropped, it stays with the group, which gives it to the next who asks.
        let _ = this.abort.run_until_cancelled(handle(&this, entry)).await;
        drop(under_way);
        drop(slot);
    });
}

async fn handle(shared: &Shared, entry: StreamEntry) {
    // Somebody has removed it from the stream since it was given to us: nothing is left to handle.
    if entry.fields.is_empty() {
        acknowledge(shared, &entry.id).await;
        return;
    }
    let settings = &shared.settings;
    let most = u64::from(settings.deliveries);
    if most > 0 && entry.deliveries > most {
        return bury(shared, &entry).await;
    }
    let id = entry.id.clone();
    let handled = async { (shared.handler)(entry).await };
    let failure = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(Ok(())) => {
            if acknowledge(shared, &id).await {
                count(&shared.handled);
            }
            return;
        }
        Ok(Err(error)) => error,
        Err(_) => "the handler panicked".to_owned(),
    };
    count(&shared.failed);
    let (stream, error) = (&settings.stream, failure);
    tracing::warn!(%stream, %id, %error, "an entry was not handled; it is given out again");
}

/// Tells the group, and gives whether that was possible; else it gives the entry out again.
async fn acknowledge(shared: &Shared, id: &str) -> bool {
    let command = &ask::acknowledge(&shared.settings, id);
    let told = shared
        .group
        .run_idempotent(|lease| async move { command.exec_async(&mut lease.clone()).await })
        .await;
    if let Err(error) = &told {
        let stream = &shared.settings.stream;
        tracing::warn!(%stream, %id, %error, "an entry was handled, but not acknowledged");
    }
    told.is_ok()
}

/// Where that fails it stays with the group, and its turn comes again.
async fn bury(shared: &Shared, entry: &StreamEntry) {
    let (stream, id) = (&shared.settings.stream, &entry.id);
    let buried = match ask::bury(&shared.settings, entry) {
        Ok(pipeline) => {
            let pipeline = &pipeline;
            let run = shared
                .group
                .run(|lease| async move { pipeline.exec_async(&mut lease.clone()).await });
            run.await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    match buried {
        Ok(()) => {
            count(&shared.buried);
            let times = entry.deliveries - 1;
            tracing::warn!(%stream, %id, times, "an entry has failed too often; it is put to the dead");
        }
        Err(error) => tracing::warn!(%stream, %id, %error, "an entry can't be put to the dead"),
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

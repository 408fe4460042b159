//! What the clones of a batcher share.

use super::owner::Owner;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// How long the rows of a batcher that was dropped are tried to be stored.
pub(super) const DROPPED_LIMIT: Duration = Duration::from_secs(5);

/// The last one of these to go has what is left inserted, in the background.
pub(super) struct Handle<T: Send + Sync + 'static>(pub(super) Arc<Owner<T>>);

impl<T: Send + Sync + 'static> Deref for Handle<T> {
    type Target = Owner<T>;

    fn deref(&self) -> &Owner<T> {
        &self.0
    }
}

impl<T: Send + Sync + 'static> Drop for Handle<T> {
    fn drop(&mut self) {
        let owner = &self.0;
        if owner.stop.is_cancelled() || owner.shared.counts().pending() == 0 {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The task keeps the owner, which is what is attached: a close of the resource waits for it.
            runtime.spawn(flush(Arc::clone(owner)));
        }
    }
}

async fn flush<T: Send + Sync + 'static>(owner: Arc<Owner<T>>) {
    let report = owner.close(DROPPED_LIMIT).await;
    if let (rows @ 1.., Some(cause)) = (report.left, &report.cause) {
        tracing::warn!(
            batcher = %owner.name, rows, cause = %cause.message(),
            "dropped with rows that were not stored"
        );
    }
}

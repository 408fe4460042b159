//! How a resource ends: asked to, or because its last handle is gone.

use crate::attachment::{Attachment, Stage};
use crate::deadline::Deadline;
use crate::resource::Handle;
use crate::settings::LONGEST;
use crate::snapshot::Change;
use crate::{Backend, CloseReport, Forced, Resource, State, ending};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How long after its limit a close is waited for: the supervisor ends by itself at the limit, and
/// this is what a busy runtime may need to run it.
pub(crate) const GRACE: Duration = Duration::from_millis(200);

/// How long the close of a resource may take whose last handle was dropped.
const DROPPED_LIMIT: Duration = Duration::from_secs(5);

impl<B: Backend> Resource<B> {
    /// Attaches what has to end before this resource: a consumer, a publisher, a batcher. It is
    /// held weakly. Where the resource is already quiescing, it is quiesced at once.
    pub fn attach(&self, attachment: &Arc<dyn Attachment>) {
        self.shared().attachments.add(attachment);
        if self.shared().quiescing.is_cancelled() {
            attachment.quiesce();
        }
    }

    /// Fired when nothing new is to be begun on this resource: it, or its pool, is closing.
    #[must_use]
    pub fn quiescing(&self) -> &CancellationToken {
        &self.shared().quiescing
    }

    /// Step one of a shutdown: attachments take nothing new in. Leases are still given.
    pub fn quiesce(&self) {
        let shared = self.shared();
        shared.quiescing.cancel();
        for attachment in shared.attachments.live() {
            attachment.quiesce();
        }
    }

    /// Step two of a shutdown: drains the attachments of one stage within `limit`. What is left is
    /// told by the report of the close.
    ///
    /// # Cancel safety
    /// Attachments whose drain was dropped are not drained again.
    pub async fn drain(&self, stage: Stage, limit: Duration) {
        ending::drain(self.shared(), stage, &Deadline::after(limit), Duration::ZERO).await;
    }

    /// Step three, and all of them where the first two were not taken: ends the resource for good
    /// within `limit`.
    ///
    /// Attachments are quiesced and drained, new leases are refused, those that are out are waited
    /// for, and goodbye is said. What does not end in time is forced and named in the report.
    /// Idempotent: later calls give the same report, and one with a shorter limit shortens the
    /// first.
    ///
    /// # Cancel safety
    /// The close goes on where this is dropped.
    pub async fn close(&self, limit: Duration) -> CloseReport {
        let shared = self.shared();
        let limit = LONGEST.min(limit);
        self.0.begin_close(limit);
        let closed = async {
            let mut changes = shared.changes();
            while shared.state() != State::Closed {
                let _ = changes.recv().await;
            }
        };
        let _ = timeout(limit + GRACE, closed).await;
        shared.report.get().cloned().unwrap_or_else(|| CloseReport {
            resource: Arc::clone(&shared.name),
            system: B::SYSTEM,
            took: limit + GRACE,
            forced: vec![Forced::Unfinished],
        })
    }
}

impl<B: Backend> Handle<B> {
    /// Sets the deadline and, the first time, the close in motion.
    fn begin_close(&self, limit: Duration) {
        let shared = &self.0;
        let first = shared.close_began.set(Instant::now()).is_ok();
        shared.close_by.shorten(limit);
        if !first {
            return;
        }
        shared.quiescing.cancel();
        let attachments = shared.attachments.live();
        for attachment in &attachments {
            attachment.quiesce();
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !attachments.is_empty() => {
                runtime.spawn(ending::drain_then_close(Arc::clone(shared)));
            }
            _ => {
                let _ = shared.apply(Change::Close);
            }
        }
        if !shared.supervised.swap(true, Ordering::AcqRel) {
            // Never connected: there is nothing to wait for.
            let _ = shared.apply(Change::Close);
            shared.finish();
        }
    }
}

impl<B: Backend> Drop for Handle<B> {
    fn drop(&mut self) {
        if self.0.close_began.get().is_some() {
            return;
        }
        if self.0.supervised.load(Ordering::Acquire) && !self.0.state().is_ending() {
            self.0.meter.dropped();
            tracing::warn!(resource = %self.0.name, "dropped without being closed; closing in the background");
        }
        self.begin_close(DROPPED_LIMIT);
    }
}

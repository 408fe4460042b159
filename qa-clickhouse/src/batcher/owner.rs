//! What ends a batcher's task.

use super::BatchReport;
use super::state::Shared;
use qa_resource_core::{Attachment, Error, ErrorKind, Result, Stage, Undrained, async_trait};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Its handle, its resource's close and its last flush have one of these; the last to go ends the task.
pub(super) struct Owner<T: 'static> {
    pub(super) name: String,
    pub(super) shared: Arc<Shared<T>>,
    /// Ends the task.
    pub(super) stop: CancellationToken,
    /// Fired when the task has ended, and holds no rows any more.
    pub(super) ended: CancellationToken,
}

impl<T: Send + Sync + 'static> Owner<T> {
    /// Takes room as soon as there is some.
    pub(super) async fn room(&self, places: &Semaphore, share: u32) -> Result<()> {
        // As a rule there is, unless somebody waits for it already.
        if let Ok(places) = places.try_acquire_many(share) {
            places.forget();
            return Ok(());
        }
        self.wait_for(places, share).await
    }

    async fn wait_for(&self, places: &Semaphore, share: u32) -> Result<()> {
        let mut changes = self.shared.changes();
        let mut place = pin!(places.acquire_many(share));
        loop {
            if let Some(error) = self.shared.refusal() {
                return Err(error);
            }
            tokio::select! {
                biased;
                permit = &mut place => {
                    if let Ok(permit) = permit {
                        permit.forget();
                    }
                    return Ok(());
                }
                // Whoever waits wants the rows out that take the room.
                () = async { self.shared.press() }, if self.shared.is_open() => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// Waits until the disk, where there is one, has the row with this number.
    pub(super) async fn written(&self, number: u64) -> Result<()> {
        if self.shared.spill.is_none() {
            return Ok(());
        }
        let mut changes = self.shared.changes();
        while self.shared.counts().synced < number {
            tokio::select! {
                _ = changes.changed() => {}
                () = self.ended.cancelled() => return Err(self.shared.closed_error()),
            }
        }
        Ok(())
    }

    pub(super) async fn flush(&self) -> Result<()> {
        let mut changes = self.shared.changes();
        let target = self.shared.ask_for_flush();
        loop {
            let counts = self.shared.counts();
            if counts.settled() >= target {
                return Ok(());
            }
            if let Some(error) = counts.halted {
                return Err(error);
            }
            if self.stop.is_cancelled() {
                return Err(self.shared.closed_error());
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    pub(super) async fn close(&self, limit: Duration) -> BatchReport<T> {
        let deadline = Instant::now() + limit;
        self.shared.refuse_rows();
        let flushed = timeout_at(deadline, self.flush()).await;
        let _ = timeout_at(deadline, self.rest()).await;
        self.stop.cancel();
        // At its next await, which is at once.
        self.ended.cancelled().await;
        let cause = match flushed {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(self.late(limit)),
        };
        self.shared.hand_back(cause)
    }

    fn late(&self, limit: Duration) -> Error {
        let message = format!("the rows were not stored within {limit:?}");
        self.shared.error(ErrorKind::Timeout, message)
    }

    /// Waits until the disk is done.
    async fn rest(&self) {
        let mut changes = self.shared.changes();
        while self.shared.spill.as_ref().is_some_and(|spill| !spill.is_idle()) {
            let _ = changes.changed().await;
        }
    }
}

impl<T: 'static> Drop for Owner<T> {
    fn drop(&mut self) {
        self.stop.cancel();
        let rows = self.shared.counts().pending();
        if rows > 0 && self.shared.spill.is_none() {
            tracing::warn!(batcher = %self.name, rows, "dropped with rows that were not stored");
        }
    }
}

#[async_trait]
impl<T: Send + Sync + 'static> Attachment for Owner<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn stage(&self) -> Stage {
        Stage::Outlet
    }

    /// Nothing: consumers that are still drained push their last rows.
    fn quiesce(&self) {}

    async fn drain(&self) -> Result<(), Undrained> {
        self.shared.refuse_rows();
        let Err(error) = self.flush().await else {
            self.rest().await;
            return Ok(());
        };
        let rows = self.shared.counts().pending();
        if rows == 0 {
            return Ok(());
        }
        let kept = match &self.shared.spill {
            Some(spill) => format!(", and are kept in {}", spill.path.display()),
            None => String::new(),
        };
        Err(Undrained(format!("{rows} rows are not stored{kept}: {}", error.message())))
    }
}

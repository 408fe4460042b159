//! A moment by which something must have ended, which can be brought forward while it is awaited.

use crate::settings::LONGEST;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A deadline that several tasks wait for and that may be shortened, never extended.
#[derive(Clone, Debug)]
pub(crate) struct Deadline(watch::Sender<Option<Instant>>);

impl Deadline {
    /// A deadline that is not set yet.
    pub(crate) fn unset() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn after(limit: Duration) -> Self {
        let deadline = Self::unset();
        deadline.shorten(limit);
        deadline
    }

    /// Sets the deadline to `limit` from now, unless it is sooner already.
    pub(crate) fn shorten(&self, limit: Duration) {
        let at = Instant::now() + LONGEST.min(limit);
        self.0.send_if_modified(|current| {
            let sooner = current.is_none_or(|current| at < current);
            if sooner {
                *current = Some(at);
            }
            sooner
        });
    }

    /// The moment itself, where it is set.
    pub(crate) fn at(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// What is left of it; nothing where it is not set.
    pub(crate) fn remaining(&self) -> Duration {
        self.at().map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Waits until it has been set and has passed, `early` before its time.
    pub(crate) async fn passed(&self, early: Duration) {
        let mut changes = self.0.subscribe();
        loop {
            let at = *changes.borrow_and_update();
            let passed = async {
                match at {
                    Some(at) => tokio::time::sleep_until(at.checked_sub(early).unwrap_or(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = passed => return,
                // The sender lives as long as `self`, so a change is the only thing that can come.
                _ = changes.changed() => {}
            }
        }
    }

    /// Waits for `work` until the deadline, less `early`.
    pub(crate) async fn bound<T>(
        &self,
        early: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.passed(early) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_brought_forward_but_never_back() {
        let deadline = Deadline::after(Duration::from_secs(10));
        deadline.shorten(Duration::from_secs(20));
        assert_eq!(deadline.remaining(), Duration::from_secs(10));
        let start = Instant::now();
        let (passed, ()) = tokio::join!(
            async {
                deadline.passed(Duration::from_secs(1)).await;
                start.elapsed()
            },
            async {
                tokio::time::sleep(Duration::from_secs(2)).await;
                deadline.shorten(Duration::from_secs(3));
            }
        );
        assert_eq!(passed, Duration::from_secs(4));
        assert!(deadline.bound(Duration::ZERO, std::future::pending::<()>()).await.is_none());
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}

//! What the holder has.

use super::error::LockError;
use super::held::Held;
use super::votes::Verdict;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// A lock that is held, and renewed in the background for as long as this is kept.
///
/// What it guards should carry the [`token`](Self::token) and refuse smaller ones; and long work should
/// end when the lock is [`lost`](Self::lost). Dropped, it is given up in the background; to know that
/// it was, [`release`](Self::release) it.
#[must_use = "the lock is given up when this is dropped"]
pub struct LockGuard {
    held: Arc<Held>,
    is_released: bool,
}

impl LockGuard {
    pub(super) fn new(held: Arc<Held>) -> Self {
        Self { held, is_released: false }
    }

    /// The fencing token: greater than that of everybody who held this lock before.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.held.token
    }

    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.held.claim.name
    }

    /// Whether it is still ours, by our own clock and what the server said last. No I/O.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.is_held()
    }

    /// For how long it is ours even if the server never answers again. No I/O.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        let left = self.held.until().saturating_duration_since(tokio::time::Instant::now());
        if self.held.lost.is_cancelled() { Duration::ZERO } else { left }
    }

    /// Resolves when it's lost, with the cause: it could not be renewed before its time was over by our
    /// own clock, or the server says that it's not ours.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn lost(&self) -> LockError {
        self.held.lost.cancelled().await;
        self.held.loss()
    }

    /// Cancelled when it's lost; for work that takes such a token.
    #[must_use]
    pub fn lost_token(&self) -> CancellationToken {
        self.held.lost.clone()
    }

    /// Gives it up, and says whether it was ours until then.
    ///
    /// # Errors
    /// [`LockError::Lost`] where it was not ours any more: what was done under it may have met what
    /// another did. [`LockError::Unavailable`] where the server could not be asked: it's free when its
    /// time is over.
    ///
    /// # Cancel safety
    /// It's given up in the background.
    pub async fn release(mut self) -> Result<(), LockError> {
        self.held.over.cancel();
        let held = Arc::clone(&self.held);
        let left = leave(&held).await;
        self.is_released = !matches!(left, Verdict::Open(_));
        match left {
            Verdict::Yes(_) => Ok(()),
            Verdict::No => Err(held.loss()),
            Verdict::Open(error) => {
                let resource = held.servers[0].name();
                Err(LockError::unavailable(&held.claim.name, resource, error))
            }
        }
    }
}

/// Gives it up on all of them, and hears what most of them say.
async fn leave(held: &Held) -> Verdict<()> {
    held.claim.leave_all(&held.servers).await
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.held.over.cancel();
        // Without a runtime it ends by itself.
        let (false, Ok(runtime)) = (self.is_released, Handle::try_current()) else { return };
        let held = Arc::clone(&self.held);
        runtime.spawn(async move { leave(&held).await });
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("name", &self.name())
            .field("token", &self.token())
            .field("remaining", &self.remaining())
            .finish()
    }
}

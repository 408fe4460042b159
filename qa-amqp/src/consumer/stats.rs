//! What a consumer has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a consumer has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// Messages handled and acknowledged.
    pub handled: u64,
    /// Handlers that failed or panicked.
    pub failed: u64,
    /// Messages that had failed for good and were put into the queue for the dead.
    pub parked: u64,
    /// Answers to the broker that came after their channel was gone: it delivers these messages
    /// again, also those that were handled.
    pub stale_acks: u64,
    /// Times that it had to consume anew.
    pub restarts: u64,
}

/// The same, being counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) handled: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) parked: AtomicU64,
    pub(super) stale_acks: AtomicU64,
    pub(super) restarts: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> ConsumerStats {
        ConsumerStats {
            handled: self.handled.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            parked: self.parked.load(Ordering::Relaxed),
            stale_acks: self.stale_acks.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
        }
    }
}

pub(super) fn count(counter: &AtomicU64, so_many: u64) {
    counter.fetch_add(so_many, Ordering::Relaxed);
}

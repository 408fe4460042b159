//! How many connects a process has under way at once.

use tokio::sync::{Semaphore, SemaphorePermit};

/// At most this many connect attempts run at a time in one process, over all resources: enough
/// that a hung server does not hold up the others, few enough that an outage's end is no storm.
pub const DIAL_LIMIT: usize = 32;

static DIALS: Semaphore = Semaphore::const_new(DIAL_LIMIT);

/// Leave to dial; dropping it ends the dial.
pub(crate) type Permit = SemaphorePermit<'static>;

/// Waits in line for leave to dial.
pub(crate) async fn permit() -> Option<Permit> {
    // An error means a closed semaphore, which this one never is.
    DIALS.acquire().await.ok()
}

/// Leave to dial, if it is to be had now.
pub(crate) fn free_permit() -> Option<Permit> {
    DIALS.try_acquire().ok()
}

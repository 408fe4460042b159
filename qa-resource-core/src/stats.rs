//! What a resource has counted, and how it stands.

use crate::{Error, Reading, State};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The counters behind [`Stats`]. Each is bumped where it happens and read now and then.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connects: AtomicU64,
    pub(crate) connect_failures: AtomicU64,
    pub(crate) disconnects: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) leaks: AtomicU64,
}

/// What a resource has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connects that succeeded, the first and later ones.
    pub connects: u64,
    /// Connect attempts that failed.
    pub connect_failures: u64,
    /// Connections lost.
    pub disconnects: u64,
    /// Leases given.
    pub operations: u64,
    /// Operations that failed in `run`, or were reported through a lease.
    pub errors: u64,
    /// Operations tried again.
    pub retries: u64,
    /// Leases held past the leak threshold.
    pub leaks: u64,
}

impl Counters {
    /// The counters, with the operations that the gate's register has counted.
    pub(crate) fn read(&self, operations: u64) -> Stats {
        let Self { connects, connect_failures, disconnects, errors, retries, leaks } = self;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            connects: read(connects),
            connect_failures: read(connect_failures),
            disconnects: read(disconnects),
            operations,
            errors: read(errors),
            retries: read(retries),
            leaks: read(leaks),
        }
    }
}

/// How a resource stands, for a table or a page.
#[derive(Clone, Debug)]
pub struct Status {
    /// The resource's name.
    pub name: Arc<str>,
    /// Its system, such as `redis`.
    pub system: &'static str,
    /// `host:port/namespace`.
    pub address: String,
    /// Where it is in its life.
    pub state: State,
    /// For how long.
    pub in_state: Duration,
    /// How many connections there have been.
    pub generation: u64,
    /// Connect attempts that failed since the state was entered.
    pub attempts: u32,
    /// Leases that are out.
    pub leases: usize,
    /// How long the last outage was, from the loss until it was ready again; none where there was none.
    pub last_outage: Option<Duration>,
    /// The last reading of its health.
    pub health: Reading,
    /// The last thing that went wrong with the connection.
    pub last_error: Option<Error>,
    /// What it has counted.
    pub stats: Stats,
}

//! What is counted once, in Redis and ClickHouse; and experiments that only Redis has: connections of
//! one's own, failovers, locks.

mod counter;
mod failover;
mod holder;
mod inserts;
mod locks;
mod replicated;
mod spike;

pub(crate) use counter::counter;
pub(crate) use failover::failover;
pub(crate) use holder::hold;
pub(crate) use inserts::inserts;
pub(crate) use locks::locks;
pub(crate) use spike::spike;

use std::time::Duration;

/// Until something is there that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

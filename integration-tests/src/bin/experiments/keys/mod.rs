//! Experiments that only Redis has: counters, failovers, locks.

mod counter;
mod failover;
mod holder;
mod locks;

pub(crate) use counter::counter;
pub(crate) use failover::failover;
pub(crate) use holder::hold;
pub(crate) use locks::locks;

use std::time::Duration;

/// Until something is there that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

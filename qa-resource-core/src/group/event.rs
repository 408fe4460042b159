//! What happens in a group, for whoever wants to know.

use crate::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};

/// Why another member became the active one of a failover group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SwitchReason {
    /// The one before was lost, or was left out.
    Failover,
    /// One that stands before it has been well again for long enough.
    Failback,
    /// Somebody asked for it.
    Forced,
}

impl SwitchReason {
    /// The word used in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Forced => "forced",
        }
    }
}

impl fmt::Display for SwitchReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that happened in a group. Members are called by the names of their resources.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GroupEvent {
    /// Another member is the active one of a failover group.
    Switched {
        /// The one before.
        from: Arc<str>,
        /// The one that is active now.
        to: Arc<str>,
        /// Why.
        reason: SwitchReason,
        /// What was the matter with the one before, where that is known.
        cause: Option<Error>,
    },
    /// No member is connected any more.
    AllDown,
    /// After that one is connected again.
    Back {
        /// The first that is.
        member: Arc<str>,
        /// How long there was none.
        after: Duration,
    },
    /// A member failed too often and is left out.
    Ejected {
        /// Which one.
        member: Arc<str>,
        /// How many operations on it had failed in a row.
        failures: u32,
        /// For how long; then one operation finds out whether it is well again.
        length: Duration,
    },
    /// A member that was left out is well again.
    Readmitted {
        /// Which one.
        member: Arc<str>,
    },
    /// A member was added.
    Added {
        /// Which one.
        member: Arc<str>,
    },
    /// A member was removed.
    Removed {
        /// Which one.
        member: Arc<str>,
    },
}

impl GroupEvent {
    /// The one log line of it.
    pub(super) fn log(&self, group: &str) {
        match self {
            Self::Switched { from, to, reason, cause } => {
                let cause = cause.as_ref().map_or("none", Error::message);
                tracing::warn!(group, %from, %to, %reason, cause, "another member is active");
            }
            Self::AllDown => tracing::error!(group, "no member is connected any more"),
            Self::Back { member, after } => {
                tracing::warn!(group, %member, ?after, "a member is connected again");
            }
            Self::Ejected { member, failures, length } => {
                tracing::warn!(group, %member, failures, ?length, "a member is left out");
            }
            Self::Readmitted { member } => {
                tracing::info!(group, %member, "a member is well again");
            }
            Self::Added { member } => tracing::info!(group, %member, "a member was added"),
            Self::Removed { member } => tracing::info!(group, %member, "a member was removed"),
        }
    }
}

/// Follows what happens in a group, in order.
///
/// It may lag 256 events behind; one that lags further misses the oldest.
#[derive(Debug)]
pub struct GroupEvents(pub(super) broadcast::Receiver<GroupEvent>);

impl GroupEvents {
    /// The next event, or `None` once the group is gone. A group of one has none.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn next(&mut self) -> Option<GroupEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

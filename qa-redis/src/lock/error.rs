//! How a lock can be refused or lost.

use qa_resource_core::{Error, ErrorKind};
use std::time::Duration;

/// Why there is no lock, or no longer one.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else held it for as long as it was waited for.
    #[error("the lock `{name}` is held by another, who may keep it; waited {waited:.1?}")]
    Busy {
        /// The lock's name.
        name: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The server, or of several too many, could not be asked. Nobody holds the lock by this.
    #[error("the lock `{name}` could not be asked for")]
    Unavailable {
        /// The lock's name.
        name: String,
        /// What went wrong.
        #[source]
        source: Error,
    },
    /// It was ours, and is no more; another may hold it.
    #[error("the lock `{name}` was lost: {cause}")]
    Lost {
        /// The lock's name.
        name: String,
        /// What it was lost by.
        cause: LostBy,
    },
}

/// What a lock was lost by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LostBy {
    /// It could not be renewed in time: the server did not answer, or our process stood still.
    #[error("it could not be renewed in time")]
    Time,
    /// The server says that it is not ours: it forgot (a restart, a failover), or somebody removed it.
    #[error("the server says that it is not ours")]
    Server,
    /// It was held for the longest that its settings allow.
    #[error("it was held for as long as it may be")]
    Longest,
}

impl LockError {
    /// Too few servers said anything; what one of them failed with, if any did.
    pub(super) fn unavailable(name: &str, resource: &str, source: Option<Error>) -> Self {
        let source = source.unwrap_or_else(|| {
            Error::new(ErrorKind::Timeout, resource, "too few servers answered in time")
        });
        Self::Unavailable { name: name.to_owned(), source }
    }

    /// Whether asking again may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable { source, .. } => source.kind().is_transient(),
            Self::Busy { .. } | Self::Lost { .. } => false,
        }
    }
}

//! What a close did, and what it had to force.

use crate::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Something that did not end by itself in time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Forced {
    /// This many leases were still out.
    Leases(usize),
    /// An attachment (a consumer, a publisher, a batcher) did not finish.
    Attachment {
        /// Its name.
        name: String,
        /// What it left.
        why: String,
    },
    /// The server did not hear the goodbye.
    Goodbye(Error),
    /// The supervisor had ended before the close: its runtime was shut down, or a backend panicked.
    Abandoned,
    /// The close itself was still under way when its limit ran out.
    Unfinished,
    /// What a member of a group of several had forced.
    Member {
        /// The name of its resource.
        name: Arc<str>,
        /// What it was.
        forced: Box<Self>,
    },
}

impl fmt::Display for Forced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leases(1) => f.write_str("1 lease was still out"),
            Self::Leases(count) => write!(f, "{count} leases were still out"),
            Self::Attachment { name, why } => write!(f, "{name} did not finish: {why}"),
            Self::Goodbye(error) => write!(f, "goodbye was not heard: {}", error.message()),
            Self::Abandoned => f.write_str("its supervisor had ended before"),
            Self::Unfinished => f.write_str("the close was still under way"),
            Self::Member { name, forced } => write!(f, "{name}: {forced}"),
        }
    }
}

/// How the close of one resource went. Its `Display` is one line.
#[derive(Clone, Debug)]
pub struct CloseReport {
    /// The resource's name.
    pub resource: Arc<str>,
    /// Its system, such as `redis`.
    pub system: &'static str,
    /// From the first call of close to the end.
    pub took: Duration,
    /// What had to be forced; empty for a clean close.
    pub forced: Vec<Forced>,
}

impl CloseReport {
    /// Whether nothing had to be forced.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.forced.is_empty()
    }
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, system, took, forced } = self;
        write!(f, "{resource} ({system}): closed in {took:.1?}")?;
        for (at, forced) in forced.iter().enumerate() {
            let lead = if at == 0 { ", forced: " } else { "; " };
            write!(f, "{lead}{forced}")?;
        }
        Ok(())
    }
}

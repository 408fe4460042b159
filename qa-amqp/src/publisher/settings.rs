//! The knobs of a publisher.

use std::time::Duration;

/// Longer limits count as this: a year, so that adding to them can't overflow.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a [`Publisher`](crate::Publisher) works. Set what you want and take the rest from
/// [`PublisherSettings::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherSettings {
    /// What the shutdown report calls it. Default: `publisher`.
    pub name: String,
    /// Messages that may be on their way and unconfirmed; the next one waits for room. 0 counts as
    /// 1. Default: 1024.
    pub window: usize,
    /// Bytes of payload that may be on their way and unconfirmed, 256 MiB at the most; a message that
    /// is larger goes alone. Default: 64 MiB.
    pub window_bytes: usize,
    /// Limit for one publish, from the call to the broker's answer. Default: 10 s.
    pub limit: Duration,
    /// Whether messages are written to disk, unless their properties say otherwise. Default: true.
    pub persistent: bool,
    /// Whether a message that no queue wants comes back as
    /// [`PublishError::Returned`](crate::PublishError::Returned), rather than vanish and be
    /// confirmed. Default: true.
    pub mandatory: bool,
}

impl Default for PublisherSettings {
    fn default() -> Self {
        Self {
            name: "publisher".to_owned(),
            window: 1024,
            window_bytes: 64 * 1024 * 1024,
            limit: Duration::from_secs(10),
            persistent: true,
            mandatory: true,
        }
    }
}

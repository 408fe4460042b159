//! What a member of a group reads, and how.

use serde::Deserialize;
use std::time::Duration;

/// What a [`StreamConsumer`](crate::StreamConsumer) reads, and how. Plain data: begin with
/// [`new`](Self::new).
///
/// In a configuration file durations are written for people: `"30s"`. An unknown key is an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// The stream's key. It is made where it's not there.
    pub stream: String,
    /// The group's name. It is made where it's not there.
    pub group: String,
    /// Our name in the group. What was given to this name before, and not acknowledged, is handled
    /// first: so a name that stays over restarts (a pod's) is best. Default: one at random, so that
    /// another takes over what we leave behind, after [`idle`](Self::idle).
    #[serde(default = "at_random")]
    pub consumer: String,
    /// Where a group that has to be made begins: `0` for all that the stream has, `$` for what comes
    /// from then on. Default: `0`.
    #[serde(default = "from_the_beginning")]
    pub start: String,
    /// Handlers at once; 0 counts as 1. With 1 the order of the stream is kept, but for entries that
    /// have to be handled again. Default: 16.
    #[serde(default = "sixteen")]
    pub concurrency: usize,
    /// An entry that was given to somebody so long ago, and neither acknowledged nor still handled, is
    /// given to the next who asks. At least 100 ms. Default: 60 s.
    #[serde(default = "a_minute", with = "humantime_serde")]
    pub idle: Duration,
    /// How often an entry is given to somebody, before it goes to the stream `{stream}:dead`; 0: for
    /// ever. Default: 16.
    #[serde(default = "sixteen_times")]
    pub deliveries: u32,
    /// How long a stop waits for handlers. Default: 10 s.
    #[serde(default = "ten_seconds", with = "humantime_serde")]
    pub drain_limit: Duration,
}

impl StreamSettings {
    /// A member of this group, with the defaults.
    #[must_use]
    pub fn new(stream: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            stream: stream.into(),
            group: group.into(),
            consumer: at_random(),
            start: from_the_beginning(),
            concurrency: sixteen(),
            idle: a_minute(),
            deliveries: sixteen_times(),
            drain_limit: ten_seconds(),
        }
    }

    pub(super) fn bounded(mut self) -> Self {
        self.concurrency = self.concurrency.clamp(1, 10_000);
        self.idle = self.idle.clamp(Duration::from_millis(100), Duration::from_secs(7 * 24 * 3600));
        self
    }

    /// Where what was given out too often goes.
    pub(super) fn dead(&self) -> String {
        format!("{}:dead", self.stream)
    }
}

fn at_random() -> String {
    format!("{:016x}", fastrand::u64(..))
}

fn from_the_beginning() -> String {
    "0".to_owned()
}

fn sixteen() -> usize {
    16
}

fn sixteen_times() -> u32 {
    16
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_what_new_gives() {
        let json = r#"{"stream": "bars", "group": "store", "consumer": "me"}"#;
        let read: StreamSettings = serde_json::from_str(json).unwrap();
        let made = StreamSettings { consumer: "me".into(), ..StreamSettings::new("bars", "store") };
        assert_eq!(read, made);
        assert!(serde_json::from_str::<StreamSettings>(r#"{"stream": "a", "grup": "b"}"#).is_err());
    }

    #[test]
    fn nothing_is_zero() {
        let none = StreamSettings {
            concurrency: 0,
            idle: Duration::ZERO,
            ..StreamSettings::new("bars", "store")
        };
        let bounded = none.bounded();
        assert_eq!((bounded.concurrency, bounded.idle), (1, Duration::from_millis(100)));
    }
}

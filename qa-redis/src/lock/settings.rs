//! How locks behave in time.

use serde::Deserialize;
use std::time::Duration;

/// How locks behave in time. Plain data: set what you want and take the rest from the default.
///
/// In a configuration file durations are written for people: `"10s"`. An unknown key is an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LockSettings {
    /// How long a lock outlives a holder that says nothing more: it's renewed after a third of this.
    /// At least 100 ms. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// The longest that a lock is held: then it is renewed no more, and lost within
    /// [`ttl`](Self::ttl). Default: none.
    #[serde(with = "humantime_serde")]
    pub longest: Option<Duration>,
    /// What the locks' keys begin with. Default: `lock:`.
    pub prefix: String,
}

impl Default for LockSettings {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(10), longest: None, prefix: "lock:".to_owned() }
    }
}

impl LockSettings {
    pub(super) fn bounded(mut self) -> Self {
        self.ttl = self.ttl.clamp(Duration::from_millis(100), Duration::from_secs(24 * 3600));
        self
    }

    /// How long a lock is surely ours after it was asked for: less what clocks may differ by, as in
    /// <https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/>.
    pub(super) fn valid(&self) -> Duration {
        self.ttl.mul_f64(0.99).saturating_sub(Duration::from_millis(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_ours_for_less_than_the_server_thinks() {
        let settings = LockSettings { ttl: Duration::ZERO, ..LockSettings::default() }.bounded();
        assert_eq!(settings.ttl, Duration::from_millis(100));
        assert_eq!(settings.valid(), Duration::from_millis(97));
        assert_eq!(LockSettings::default().valid(), Duration::from_millis(9_898));
    }
}

//! How a cache behaves.

use serde::Deserialize;
use std::time::Duration;

/// How a [`Cache`](crate::Cache) behaves. Plain data: set what you want and take the rest from the
/// default.
///
/// In a configuration file durations are written for people: `"5m"`. An unknown key is an error.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// How long a value is kept. Default: 5 min.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// Up to this part of the time more or less, at random, so that what was computed together does
    /// not end together; between 0 and 1. Default: 0.1.
    pub jitter: f64,
    /// How long it's kept that there is no value; zero: it is not. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub negative_ttl: Duration,
    /// How eagerly a value is computed again before its time is over: one caller, at random, does so
    /// the sooner the longer computing takes, so that a value that many want never ends for all at once
    /// (`XFetch`; Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention",
    /// 2015). 1 is the theory's optimum; 0 turns it off. Default: 1.
    pub early: f64,
    /// Whether only one of all processes computes a value at a time, and the others wait for it. In one
    /// process that is always so. Default: false.
    pub one_for_all: bool,
    /// How long the others wait for it, before they compute it themselves. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub compute_limit: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            jitter: 0.1,
            negative_ttl: Duration::from_secs(10),
            early: 1.0,
            one_for_all: false,
            compute_limit: Duration::from_secs(10),
        }
    }
}

impl CacheSettings {
    /// For how long to keep it, in milliseconds, with a random number below 1; `None` where not at all.
    pub(super) fn keep(&self, is_value: bool, draw: f64) -> Option<u64> {
        let time = if is_value { self.ttl } else { self.negative_ttl };
        let jitter = if self.jitter.is_finite() { self.jitter.clamp(0.0, 1.0) } else { 0.0 };
        let factor = 1.0 + jitter * (2.0 * draw - 1.0);
        let time = Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(time);
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (milliseconds > 0).then_some(milliseconds)
    }

    /// Whether a value that took so long to compute and has so long left is to be computed again, with a
    /// random number above 0 and up to 1.
    pub(super) fn is_early(&self, took: Duration, left: Duration, draw: f64) -> bool {
        took.as_secs_f64() * self.early * -draw.ln() >= left.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_differ_by_the_jitter() {
        let settings = CacheSettings::default();
        assert_eq!(settings.keep(true, 0.5), Some(300_000));
        assert_eq!(settings.keep(true, 0.0), Some(270_000));
        assert_eq!(settings.keep(true, 1.0), Some(330_000));
        assert_eq!(settings.keep(false, 0.5), Some(10_000));
        let none = CacheSettings { negative_ttl: Duration::ZERO, jitter: f64::NAN, ..settings };
        assert_eq!((none.keep(false, 0.5), none.keep(true, 0.0)), (None, Some(300_000)));
    }

    #[test]
    fn what_takes_long_is_computed_early_and_what_is_over_always() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let settings = CacheSettings::default();
        assert!(settings.is_early(second, Duration::ZERO, 0.5));
        assert!(!settings.is_early(second, minute, 0.5));
        assert!(settings.is_early(second, second / 2, 0.5), "1 s × ln 2");
        assert!(!settings.is_early(second, second, 0.5));
        let off = CacheSettings { early: 0.0, ..settings };
        assert!(!off.is_early(minute, Duration::from_nanos(1), f64::MIN_POSITIVE));
    }
}

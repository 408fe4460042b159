//! How a group of several behaves.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a member is chosen among those that are connected and well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The better of two that are drawn at random: the one with fewer leases out for its weight.
    /// This is the power of two choices: it needs no view of all, and never sends everybody to the
    /// one that was idle a moment ago.
    #[default]
    LeastLoaded,
    /// One after the other, each as often as its weight says.
    RoundRobin,
    /// The first in order; another one only while it is not there.
    Failover,
}

impl Policy {
    /// The word used in configurations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeastLoaded => "least-loaded",
            Self::RoundRobin => "round-robin",
            Self::Failover => "failover",
        }
    }
}

/// When a member that is connected is left out all the same, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ejection {
    /// Failures in a row after which it is left out; 0 counts as 1. Only what speaks of the server
    /// counts: lost connections, limits that ran out, overload. Default: 3.
    pub failures: u32,
    /// For how long the first time; twice as long each time that its probe fails. Default: 1 s.
    #[serde(with = "humantime_serde")]
    pub first: Duration,
    /// For how long at the most. Default: 30 s.
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { failures: 3, first: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

/// How a group of several behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupSettings {
    /// How a member is chosen. Default: `least-loaded`.
    pub policy: Policy,
    /// For how long a member that stands before the active one must have been well before a
    /// `failover` group goes back to it; so there is at most one such change in this time, and none
    /// while it comes and goes. Default: 30 s.
    #[serde(with = "humantime_serde")]
    pub failback_after: Duration,
    /// When a member that is connected is left out.
    pub ejection: Ejection,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            failback_after: Duration::from_secs(30),
            ejection: Ejection::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_as_their_docs_say() {
        let settings: GroupSettings = toml::from_str("").unwrap();
        assert_eq!(settings, GroupSettings::default());
        assert_eq!(settings.policy, Policy::LeastLoaded);
        assert_eq!(settings.failback_after, Duration::from_secs(30));
        let Ejection { failures, first, longest } = settings.ejection;
        assert_eq!((failures, first.as_secs(), longest.as_secs()), (3, 1, 30));
    }

    #[test]
    fn texts_are_kebab_case_and_unknown_keys_are_refused() {
        let text = "policy = 'round-robin'\nfailback_after = '5s'\nejection.failures = 2";
        let settings: GroupSettings = toml::from_str(text).unwrap();
        assert_eq!(settings.policy, Policy::RoundRobin);
        assert_eq!((settings.failback_after.as_secs(), settings.ejection.failures), (5, 2));
        assert!(toml::from_str::<GroupSettings>("polcy = 'failover'").is_err());
    }
}

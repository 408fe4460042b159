//! The knobs of a resource. Every default works; every one can be set.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a resource behaves in time. Plain data: set what you want and take the rest from
/// [`Settings::default`].
///
/// In a configuration file durations are written for people: `"250ms"`, `"5s"`, `"1m 30s"`.
/// An unknown key is an error. A time above a year counts as a year.
///
/// ```
/// use qa_resource_core::Settings;
/// use std::time::Duration;
/// let settings = Settings { acquire_timeout: Duration::from_secs(1), ..Settings::default() };
/// assert_eq!(settings.health_interval, Duration::from_secs(2));
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Limit for one connect attempt: dial, handshake, login, session and a first ping.
    /// Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Attempts after which the first connect gives up; 0 counts as 1. A reconnect never gives
    /// up. Default: 5.
    pub connect_attempts: u32,
    /// Time after which the first connect gives up, whatever attempts are left. Default: 20 s.
    #[serde(with = "humantime_serde")]
    pub connect_deadline: Duration,
    /// Limit for waiting until a lease can be had. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// Limit for one [`Resource::run`](crate::Resource::run) all told: the wait for a lease, every
    /// attempt and the delays between them. Default: 10 s.
    #[serde(with = "humantime_serde")]
    pub operation_timeout: Duration,
    /// Limit for saying goodbye to one client. Default: 2 s.
    #[serde(with = "humantime_serde")]
    pub close_timeout: Duration,
    /// Shortest delay between two connect attempts. Default: 100 ms.
    #[serde(with = "humantime_serde")]
    pub backoff_floor: Duration,
    /// Longest delay between two connect attempts, jitter included. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub backoff_cap: Duration,
    /// Time between two pings of a healthy connection. Default: 2 s.
    #[serde(with = "humantime_serde")]
    pub health_interval: Duration,
    /// Limit for one ping. Default: 1 s.
    #[serde(with = "humantime_serde")]
    pub health_timeout: Duration,
    /// Pings that must fail in a row before the connection counts as lost; 0 counts as 1.
    /// Default: 2.
    pub health_failures: u32,
    /// Pings that must succeed in a row before a reconnected resource is ready again, the one of
    /// the attempt itself included; 0 counts as 1. Default: 1.
    pub health_successes: u32,
    /// How many operations of [`Resource::run`](crate::Resource::run) may be under way on one
    /// connection at once; 0 counts as 1. The others wait in line, at most `acquire_timeout`. One
    /// that runs another on the same resource keeps its place meanwhile. Where it is not set the
    /// backend decides ([`Backend::max_in_flight`](crate::Backend::max_in_flight)).
    /// Default: none.
    pub max_in_flight: Option<u32>,
    /// Attempts of one [`Resource::run`](crate::Resource::run), the first included; 0 counts as 1.
    /// Only errors that are safe to retry are. Default: 3.
    pub retry_attempts: u32,
    /// How long a lease may be out before it is reported as leaked, once, with the place where it
    /// was acquired; zero turns the report off. Default: 60 s.
    #[serde(with = "humantime_serde")]
    pub leak_threshold: Duration,
}

/// Longer times count as this: a year, so that adding to them can't overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

impl Settings {
    /// The same settings, with no time above [`LONGEST`].
    pub(crate) fn bounded(mut self) -> Self {
        for time in [
            &mut self.connect_timeout,
            &mut self.connect_deadline,
            &mut self.acquire_timeout,
            &mut self.operation_timeout,
            &mut self.close_timeout,
            &mut self.backoff_floor,
            &mut self.backoff_cap,
            &mut self.health_interval,
            &mut self.health_timeout,
            &mut self.leak_threshold,
        ] {
            *time = LONGEST.min(*time);
        }
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            connect_attempts: 5,
            connect_deadline: Duration::from_secs(20),
            acquire_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            backoff_floor: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(5),
            health_interval: Duration::from_secs(2),
            health_timeout: Duration::from_secs(1),
            health_failures: 2,
            health_successes: 1,
            max_in_flight: None,
            retry_attempts: 3,
            leak_threshold: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every default stands twice: in the doc line that users read, and in the code.
    #[test]
    fn every_default_is_the_one_that_its_doc_line_gives() {
        let source = include_str!("settings.rs");
        let body = source.split("pub struct Settings {").nth(1).unwrap();
        let (mut doc, mut documented) = (String::new(), Vec::new());
        for line in body.split("\n}\n").next().unwrap().lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("///") {
                doc += text;
            } else if let Some(field) = line.strip_prefix("pub ") {
                let default = doc.rsplit("Default: ").next().unwrap().trim_end_matches('.');
                documented.push((field.split(':').next().unwrap().to_owned(), default.to_owned()));
                doc.clear();
            }
        }
        assert_eq!(documented.len(), 15);
        let toml: String = documented
            .iter()
            .filter(|(_, value)| value != "none")
            .map(|(key, value)| match value.parse::<u32>() {
                Ok(number) => format!("{key} = {number}\n"),
                Err(_) => format!("{key} = {value:?}\n"),
            })
            .collect();
        assert_eq!(toml::from_str::<Settings>(&toml).unwrap(), Settings::default());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_lists_the_known_ones() {
        let error = toml::from_str::<Settings>("conect_timeout = '1s'").unwrap_err().to_string();
        assert!(error.contains("conect_timeout") && error.contains("connect_timeout"), "{error}");
    }
}

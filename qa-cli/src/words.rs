//! Times as people read them.

use humantime::format_rfc3339_seconds;
use std::time::{Duration, SystemTime};

/// `0.8 ms`, `9.7 s`, `3 min`, `2 h`, `89 d`.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
        1..=59 => format!("{:.1} s", time.as_secs_f64()),
        60..=3599 => format!("{} min", seconds / 60),
        3600..=86_399 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The time since the beginning of 1970, by this machine's clock.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// `2027-02-24`, of a time since the beginning of 1970.
pub(crate) fn day(time: Duration) -> String {
    clock(time).chars().take(10).collect()
}

/// `2027-02-24T09:30:00Z`, of a time since the beginning of 1970.
pub(crate) fn clock(time: Duration) -> String {
    // The last second that can be written down.
    let last = Duration::from_secs(253_402_300_799);
    format_rfc3339_seconds(SystemTime::UNIX_EPOCH + time.min(last)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_people_read() {
        assert_eq!(span(Duration::from_micros(840)), "0.8 ms");
        assert_eq!(span(Duration::from_secs(89 * 86_400 + 5)), "89 d");
        assert_eq!(day(Duration::from_secs(1_803_459_600)), "2027-02-24");
        assert_eq!(day(Duration::from_secs(u64::MAX)), "9999-12-31");
    }
}

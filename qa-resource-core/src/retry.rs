//! How long to wait before the next attempt, and whether there may be one.

use crate::settings::LONGEST;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Delays that double, jittered so that a thousand clients do not come back in step.
///
/// Decorrelated jitter: each delay is drawn between `floor` and three times the one before, `cap`
/// at the most, so that no delay is above the cap and a long outage is full jitter. Source: M. Brooker,
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. The floor keeps the first
/// moments of an outage from being the worst of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    floor: Duration,
    cap: Duration,
}

impl Backoff {
    /// Delays from `floor` to `cap`; a cap below the floor counts as the floor, and more than a year
    /// as a year.
    #[must_use]
    pub fn new(floor: Duration, cap: Duration) -> Self {
        let floor = LONGEST.min(floor);
        Self { floor, cap: LONGEST.min(cap).max(floor) }
    }

    /// The delay after `previous` (`None` for the first), where `draw` is a random number from 0
    /// to 1.
    #[must_use]
    pub fn next(self, previous: Option<Duration>, draw: f64) -> Duration {
        let high = previous.unwrap_or(self.floor).saturating_mul(3).clamp(self.floor, self.cap);
        between(self.floor, high, draw)
    }

    /// What is left of a delay after an attempt that took so long: a delay counts from the attempt's
    /// beginning. An attempt that a silent server kept waiting was pause enough, and it is the
    /// attempt that hears the server when it speaks again. At the least a draw from the floor to ten
    /// times that: attempts that ran out of time together must not go on in step.
    pub(crate) fn rest(self, delay: Duration, took: Duration, draw: f64) -> Duration {
        let least = between(self.floor, self.short(), draw);
        delay.saturating_sub(took).max(least.min(delay))
    }

    /// Whether a connection that is lost after it has lived so long is dialled again at once: not one that
    /// was cut as soon as it was there, or a server that takes everybody and keeps nobody would be
    /// dialled without a pause. So there is one such dial in ten times the floor at the most, fewer
    /// than the delays make.
    pub(crate) fn at_once(self, lived: Duration) -> bool {
        lived >= self.short()
    }

    /// Ten times the floor: a time that is short beside an outage, and long beside a dial.
    fn short(self) -> Duration {
        self.floor.saturating_mul(10).min(self.cap)
    }

    /// The delay after a permanent error, which only somebody's action can mend: the upper half
    /// of the cap.
    #[must_use]
    pub fn slow(self, draw: f64) -> Duration {
        between((self.cap / 2).max(self.floor), self.cap, draw)
    }
}

fn between(low: Duration, high: Duration, draw: f64) -> Duration {
    low + high.saturating_sub(low).mul_f64(draw.clamp(0.0, 1.0))
}

/// How many retries are left: a retry takes a token, a success gives a tenth of one back.
///
/// Under a fault that lasts, retries end after ten and then follow at a tenth of the successes, so
/// that load grows by a tenth at the most. Source: gRPC's retry throttling (gRFC A6).
#[derive(Debug)]
pub struct Budget {
    tenths: AtomicU32,
}

impl Budget {
    const FULL: u32 = 100;
    const RETRY: u32 = 10;

    /// A full budget: ten retries.
    #[must_use]
    pub const fn new() -> Self {
        Self { tenths: AtomicU32::new(Self::FULL) }
    }

    /// Takes a retry, if there is one.
    pub fn withdraw(&self) -> bool {
        let take = |tenths: u32| tenths.checked_sub(Self::RETRY);
        self.tenths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Gives back a tenth of a retry, after a success.
    pub fn deposit(&self) {
        // Full is the usual case: a plain load then keeps the cache line shared.
        if self.tenths.load(Ordering::Relaxed) < Self::FULL {
            let add = |tenths: u32| (tenths < Self::FULL).then_some(tenths + 1);
            let _ = self.tenths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    proptest! {
        #[test]
        fn delays_stay_between_floor_and_cap(
            floor in 0u64..10_000, cap in 0u64..100_000, draws in prop::collection::vec(0.0f64..=1.0, 1..50),
        ) {
            let (floor, cap) = (Duration::from_millis(floor), Duration::from_millis(cap));
            let backoff = Backoff::new(floor, cap);
            let mut previous = None;
            for draw in draws {
                let delay = backoff.next(previous, draw);
                prop_assert!(delay >= floor && delay <= cap.max(floor), "{delay:?}");
                let slow = backoff.slow(draw);
                prop_assert!(slow >= floor && slow <= cap.max(floor), "{slow:?}");
                previous = Some(delay);
            }
        }
    }

    #[test]
    fn delays_grow_threefold_at_most_and_reach_the_cap() {
        let backoff = Backoff::new(100 * MS, 5_000 * MS);
        let delays: Vec<_> = std::iter::successors(Some(backoff.next(None, 1.0)), |delay| {
            Some(backoff.next(Some(*delay), 1.0))
        })
        .take(5)
        .collect();
        assert_eq!(delays, [300, 900, 2_700, 5_000, 5_000].map(|ms| ms * MS));
        assert_eq!(backoff.next(Some(5_000 * MS), 0.0), 100 * MS);
        assert_eq!(backoff.slow(0.0), 2_500 * MS);
        assert_eq!(backoff.slow(1.0), 5_000 * MS);
    }

    #[test]
    fn a_budget_is_ten_retries_and_a_tenth_of_the_successes() {
        let budget = Budget::new();
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
        let retries = (0..1_000)
            .filter(|_| {
                budget.deposit();
                budget.withdraw()
            })
            .count();
        assert_eq!(retries, 100);
    }

    #[test]
    fn what_was_well_for_ten_floors_or_the_cap_is_dialled_again_at_once() {
        let at_once = |floor, cap, lived| Backoff::new(floor * MS, cap * MS).at_once(lived * MS);
        assert!(at_once(100, 5_000, 1_000) && !at_once(100, 5_000, 999));
        assert!(at_once(100, 300, 300) && !at_once(100, 300, 299));
    }

    #[test]
    fn an_attempt_that_waited_in_vain_counts_as_a_pause() {
        let second = Duration::from_secs(1);
        let backoff = Backoff::new(second / 10, 5 * second);
        assert_eq!(backoff.rest(3 * second, Duration::ZERO, 1.0), 3 * second);
        assert_eq!(backoff.rest(3 * second, second, 1.0), 2 * second);
        assert_eq!(backoff.rest(3 * second, 5 * second, 0.0), second / 10);
        assert_eq!(backoff.rest(3 * second, 5 * second, 1.0), second);
        assert_eq!(backoff.rest(second / 5, 5 * second, 1.0), second / 5);
    }
}

//! How long a connection that came back has to hold before its resource counts as up.

use std::time::Duration;
use tokio::time::Instant;

/// The longest time, in health intervals.
const MOST_INTERVALS: u32 = 16;

/// A life that is longer than so many times what was asked of it was a good one.
const GOOD_LIFE: u32 = 4;

/// Slow to say up: a resource that came back is on probation for one health interval, and for
/// twice as long each time that it is lost again soon, so that a server that comes and goes every
/// second changes its health once and not every second.
///
/// It is the reading that is held back, never the connection: while there is one, it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probation {
    interval: Duration,
    /// How long the next connection has to hold.
    needed: Duration,
    until: Option<Instant>,
}

impl Probation {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, needed: interval, until: None }
    }

    /// Another interval from now on; what is under way goes on as it was.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        if self.interval != interval {
            (self.interval, self.needed) = (interval, interval);
        }
    }

    /// The connection was lost after it had lived so long.
    pub(crate) fn lost(&mut self, lived: Duration) {
        let came_back = self.until.is_some();
        let soon = came_back && lived < self.needed.saturating_mul(GOOD_LIFE);
        let doubled = self.needed.saturating_mul(2);
        let most = self.interval.saturating_mul(MOST_INTERVALS);
        self.needed = if soon { doubled.min(most) } else { self.interval };
    }

    /// It is back.
    pub(crate) fn came_back(&mut self, now: Instant) {
        self.until = Some(now + self.needed);
    }

    /// How much longer it has to hold; zero where it counts as up.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(2);

    /// How long each connection is on probation, where the ones before lived so many seconds.
    fn probations(lives: &[u64]) -> Vec<u64> {
        let mut probation = Probation::new(INTERVAL);
        let now = Instant::now();
        assert_eq!(probation.left(now), Duration::ZERO, "the first connection is trusted");
        let after = |lived: &u64| {
            probation.lost(Duration::from_secs(*lived));
            probation.came_back(now);
            probation.left(now).as_secs()
        };
        lives.iter().map(after).collect()
    }

    #[test]
    fn a_loss_after_a_good_life_costs_one_interval() {
        assert_eq!(probations(&[1, 3_600, 60, 8]), [2, 2, 2, 2]);
    }

    #[test]
    fn each_loss_that_comes_soon_doubles_it_up_to_an_end() {
        assert_eq!(probations(&[60, 1, 1, 1, 1, 1]), [2, 4, 8, 16, 32, 32]);
        assert_eq!(probations(&[60, 1, 1, 32]), [2, 4, 8, 2], "and a good life forgives it");
    }

    #[test]
    fn another_interval_counts_from_the_next_loss() {
        let (mut probation, now) = (Probation::new(INTERVAL), Instant::now());
        probation.set_interval(5 * INTERVAL);
        probation.lost(Duration::from_secs(3_600));
        probation.came_back(now);
        assert_eq!(probation.left(now), 5 * INTERVAL);
    }

    #[test]
    fn it_is_over_when_its_time_is() {
        let (mut probation, now) = (Probation::new(INTERVAL), Instant::now());
        probation.lost(Duration::from_secs(60));
        probation.came_back(now);
        assert_eq!(probation.left(now + INTERVAL / 2), INTERVAL / 2);
        assert_eq!(probation.left(now + INTERVAL), Duration::ZERO);
    }
}

//! What the last sign of life said, and how many bad ones make a loss.

use crate::Error;
use std::time::Duration;
use tokio::time::Instant;

/// How a resource is, as opposed to where it is in its life (its [`State`](crate::State)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Nothing is known yet: it was never connected.
    Unknown,
    /// The last ping was answered, and where the connection had been lost it has held for a while.
    Up,
    /// Connected, but the last ping failed, the server says that it is overloaded, or the
    /// connection was lost and is back only just now: it is up once that has held for one
    /// [`health_interval`](crate::Settings::health_interval), and for twice as long, up to 16 of
    /// them, each time that it is lost again soon.
    Degraded,
    /// Not connected.
    Down,
}

impl Health {
    /// The word used in logs, metrics and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    /// That of several, as a group has it: the best of them; [`Degraded`](Self::Degraded) where that is
    /// up and another one is not; [`Unknown`](Self::Unknown) where there is none.
    ///
    /// ```
    /// use qa_resource_core::Health;
    /// assert_eq!(Health::of_several([Health::Down, Health::Up]), Health::Degraded);
    /// ```
    #[must_use]
    pub fn of_several(all: impl IntoIterator<Item = Self>) -> Self {
        let (mut best, mut all_up) = (Self::Unknown, true);
        for health in all {
            all_up &= health == Self::Up;
            best = if health.rank() < best.rank() { health } else { best };
        }
        if best == Self::Up && !all_up { Self::Degraded } else { best }
    }

    /// The less, the better.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Up => 0,
            Self::Degraded => 1,
            Self::Down => 2,
            Self::Unknown => 3,
        }
    }
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A cached reading of a resource's health; reading it asks nobody.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How it is.
    pub health: Health,
    /// How long the ping took, where one was answered.
    pub latency: Option<Duration>,
    /// When it was taken.
    pub at: Instant,
    /// Why it is not up.
    pub error: Option<Error>,
}

impl Reading {
    pub(crate) fn new(health: Health, latency: Option<Duration>, error: Option<Error>) -> Self {
        Self { health, latency, at: Instant::now(), error }
    }

    /// How old the reading is.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.at.elapsed()
    }
}

/// Counts signs of life: so many bad ones in a row make a loss, so many good ones a recovery, and
/// one of the other kind starts the count anew. That is what keeps a shaky server from flapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hysteresis {
    needed: u32,
    seen: u32,
}

impl Hysteresis {
    /// Trips after `needed` in a row; 0 counts as 1.
    pub(crate) fn new(needed: u32) -> Self {
        Self { needed: needed.max(1), seen: 0 }
    }

    /// Trips after so many from now on; what was seen counts.
    pub(crate) fn set_needed(&mut self, needed: u32) {
        self.needed = needed.max(1);
    }

    /// One more of the kind that is counted; whether that was enough.
    pub(crate) fn count(&mut self) -> bool {
        self.seen = self.seen.saturating_add(1);
        self.seen >= self.needed
    }

    /// One of the other kind.
    pub(crate) fn reset(&mut self) {
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trips_only_on_a_run_without_a_break() {
        let mut failures = Hysteresis::new(3);
        assert!(!failures.count() && !failures.count());
        failures.reset();
        assert!(!failures.count() && !failures.count());
        assert!(failures.count());
        assert!(Hysteresis::new(0).count());
    }
}

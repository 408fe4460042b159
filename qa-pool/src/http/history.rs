//! What became of each resource lately: bounded, and told by looking at it now and then.

use qa_resource_core::{Health, Status};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Time between two looks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(2);
/// Looks that are kept: five minutes.
pub(crate) const KEPT: usize = 150;
/// Outages and errors that are kept of each resource.
const KEPT_EVENTS: usize = 5;

/// One look at a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) health: Health,
    /// Leases given per second since the look before.
    pub(crate) operations: f64,
    /// Operations that failed per second since the look before.
    pub(crate) errors: f64,
}

/// What is known of one resource.
#[derive(Debug)]
pub(crate) struct Track {
    name: Arc<str>,
    address: String,
    pub(crate) samples: VecDeque<Sample>,
    /// When each outage was over and how long it was, the latest last.
    pub(crate) outages: VecDeque<(Instant, Duration)>,
    /// When an error was first seen and what it says, the latest last.
    pub(crate) errors: VecDeque<(Instant, String)>,
    before: Option<Counted>,
}

/// What a look has counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    generation: u64,
    operations: u64,
    errors: u64,
}

/// The tracks of all resources that there are.
#[derive(Debug, Default)]
pub(crate) struct History(Vec<Track>);

impl History {
    /// Looks at all of them. Those that are no more are forgotten.
    pub(crate) fn note(&mut self, statuses: &[Status], now: Instant) {
        self.0.retain(|track| statuses.iter().any(|status| track.is_of(status)));
        for status in statuses {
            let known = self.0.iter().position(|track| track.is_of(status));
            let at = known.unwrap_or_else(|| {
                self.0.push(Track::new(status));
                self.0.len() - 1
            });
            self.0[at].note(status, now);
        }
    }

    pub(crate) fn of(&self, status: &Status) -> Option<&Track> {
        self.0.iter().find(|track| track.is_of(status))
    }
}

impl Track {
    fn new(status: &Status) -> Self {
        Self {
            name: Arc::clone(&status.name),
            address: status.address.clone(),
            samples: VecDeque::new(),
            outages: VecDeque::new(),
            errors: VecDeque::new(),
            before: None,
        }
    }

    fn is_of(&self, status: &Status) -> bool {
        self.name == status.name && self.address == status.address
    }

    fn note(&mut self, status: &Status, now: Instant) {
        let counted = Counted {
            at: now,
            generation: status.generation,
            operations: status.stats.operations,
            errors: status.stats.errors,
        };
        let before = self.before.replace(counted);
        let (operations, errors) = before.map_or((0.0, 0.0), |before| before.rates(&counted));
        keep(&mut self.samples, KEPT, Sample { health: status.health.health, operations, errors });
        let came_back = before.is_some_and(|before| before.generation != counted.generation);
        if let Some(lasted) = status.last_outage.filter(|_| came_back) {
            keep(&mut self.outages, KEPT_EVENTS, (now, lasted));
        }
        if let Some(error) = &status.last_error
            && self.errors.back().is_none_or(|(_, known)| known != error.message())
        {
            keep(&mut self.errors, KEPT_EVENTS, (now, error.message().to_owned()));
        }
    }
}

impl Counted {
    /// Per second, between two looks.
    fn rates(&self, now: &Self) -> (f64, f64) {
        let seconds = now.at.saturating_duration_since(self.at).as_secs_f64();
        let rate = |before: u64, now: u64| {
            // Nobody does four thousand million operations between two looks.
            let done = u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
            if seconds > 0.0 { f64::from(done) / seconds } else { 0.0 }
        };
        (rate(self.operations, now.operations), rate(self.errors, now.errors))
    }
}

fn keep<T>(kept: &mut VecDeque<T>, most: usize, one: T) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::{Error, ErrorKind, Reading, State, Stats};

    fn status(generation: u64, operations: u64) -> Status {
        let at = Instant::now();
        Status {
            name: "r".into(),
            system: "redis",
            address: "h:1".to_owned(),
            state: State::Ready,
            in_state: Duration::ZERO,
            generation,
            attempts: 0,
            leases: 0,
            last_outage: None,
            health: Reading { health: Health::Up, latency: None, at, error: None },
            last_error: None,
            stats: Stats { operations, ..Stats::default() },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rates_are_between_two_looks_and_no_more_is_kept_than_is_shown() {
        let (mut history, start) = (History::default(), Instant::now());
        for look in 0..400u32 {
            let at = start + INTERVAL * look;
            history.note(&[status(1, u64::from(look) * 20)], at);
        }
        let track = history.of(&status(1, 0)).unwrap();
        assert_eq!(track.samples.len(), KEPT);
        assert!(track.samples.iter().all(|sample| (sample.operations - 10.0).abs() < 1e-9));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_once_and_so_is_an_error() {
        let (mut history, start) = (History::default(), Instant::now());
        let back = |generation| Status {
            last_outage: Some(Duration::from_secs(generation)),
            last_error: Some(Error::new(ErrorKind::Connect, "r", "refused")),
            ..status(generation, 0)
        };
        for (look, generation) in [1, 2, 2, 2, 3, 4, 5, 6, 7].into_iter().enumerate() {
            history.note(&[back(generation)], start + INTERVAL * u32::try_from(look).unwrap());
        }
        let track = history.of(&status(1, 0)).unwrap();
        let lasted: Vec<_> = track.outages.iter().map(|(_, lasted)| lasted.as_secs()).collect();
        assert_eq!(lasted, [3, 4, 5, 6, 7]);
        assert_eq!(track.errors.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_more_is_forgotten() {
        let mut history = History::default();
        history.note(&[status(1, 0)], Instant::now());
        history.note(&[], Instant::now());
        assert!(history.of(&status(1, 0)).is_none());
    }
}

//! How many round trips a second, and how long each of them takes.

use super::trip::Trip;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What came of a number of tasks that made round trips, one after the other each.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Of each that succeeded, the shortest first.
    times: Vec<Duration>,
    elapsed: Duration,
    /// So many tasks ended early, with an error.
    pub(crate) failed: usize,
    /// The first of their errors.
    pub(crate) error: Option<String>,
}

impl Measured {
    pub(crate) fn trips(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52")]
        let trips = self.trips() as f64;
        if self.elapsed.is_zero() { 0.0 } else { trips / self.elapsed.as_secs_f64() }
    }

    /// The time that `percent` of the trips took at the most (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.trips() * percent).div_ceil(100);
        self.times.get(rank.saturating_sub(1)).copied()
    }

    fn add(&mut self, times: Vec<Duration>, error: Option<anyhow::Error>) {
        self.times.extend(times);
        if let Some(error) = error {
            self.failed += 1;
            self.error.get_or_insert(format!("{error:#}"));
        }
    }
}

/// Has so many tasks make round trips for so long. A task ends with its first error.
pub(crate) async fn measure(trip: &Trip, tasks: usize, time: Duration) -> Measured {
    let began = Instant::now();
    let until = began + time;
    let mut all = JoinSet::new();
    for _ in 0..tasks {
        let trip = trip.clone();
        all.spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < until {
                let began = Instant::now();
                if let Err(error) = trip.make().await {
                    return (times, Some(error));
                }
                times.push(began.elapsed());
            }
            (times, None)
        });
    }
    let mut measured = Measured::default();
    while let Some(Ok((times, error))) = all.join_next().await {
        measured.add(times, error);
    }
    measured.elapsed = began.elapsed();
    measured.times.sort_unstable();
    measured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured_and_errors_are_counted() {
        let mut measured = Measured { elapsed: Duration::from_secs(2), ..Measured::default() };
        assert_eq!((measured.percentile(50), measured.trips()), (None, 0));
        measured.add((1..=200).map(Duration::from_millis).collect(), None);
        measured.add(Vec::new(), Some(anyhow::anyhow!("refused")));
        measured.add(Vec::new(), Some(anyhow::anyhow!("late")));
        let percentiles = [1, 50, 99, 100].map(|percent| measured.percentile(percent).unwrap());
        assert_eq!(percentiles, [2, 100, 198, 200].map(Duration::from_millis));
        assert!((measured.per_second() - 100.0).abs() < 1e-9);
        assert_eq!((measured.failed, measured.error.as_deref()), (2, Some("refused")));
    }
}

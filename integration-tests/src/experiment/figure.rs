//! One thing that an experiment measured, and what must hold of it.

use std::time::Duration;

/// One thing that an experiment measured: its spread, the criterion, and whether that holds.
///
/// Criteria are added one by one; all of them must hold.
///
/// ```
/// use integration_tests::experiment::Figure;
/// use std::time::Duration;
///
/// let took = [Duration::from_millis(900), Duration::from_millis(1200)];
/// let figure = Figure::seconds("noticed", &took).p99_at_most(5.0);
/// assert!(figure.pass);
/// assert_eq!(figure.criterion, "p99 ≤ 5 s");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured, in a few words.
    pub what: String,
    /// How many samples there are.
    pub n: usize,
    /// The median.
    pub p50: f64,
    /// The value that 99 in 100 samples do not exceed (the nearest rank).
    pub p99: f64,
    /// The greatest sample.
    pub max: f64,
    /// The least sample.
    pub min: f64,
    /// The samples' unit: `s`, `%`, or empty for a count.
    pub unit: &'static str,
    /// What must hold, in words; empty where the figure is for information.
    pub criterion: String,
    /// Whether all of it holds.
    pub pass: bool,
    /// What a reader has to know: why it fails, or how it was measured.
    pub note: Option<String>,
}

impl Figure {
    /// The spread of `samples`. Without samples nothing was measured, and no criterion holds.
    #[must_use]
    pub fn new(what: &str, unit: &'static str, samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
        };
        Self {
            what: what.to_owned(),
            n: sorted.len(),
            p50: at(50),
            p99: at(99),
            max: at(100),
            min: sorted.first().copied().unwrap_or(f64::NAN),
            unit,
            criterion: String::new(),
            pass: true,
            note: None,
        }
    }

    /// Times, in seconds.
    #[must_use]
    pub fn seconds(what: &str, samples: &[Duration]) -> Self {
        let samples: Vec<_> = samples.iter().map(Duration::as_secs_f64).collect();
        Self::new(what, "s", &samples)
    }

    /// One count, such as the connections that are left.
    #[must_use]
    pub fn count(what: &str, value: impl TryInto<u32>) -> Self {
        Self::new(what, "", &[value.try_into().map_or(f64::NAN, f64::from)])
    }

    /// One share in percent: `part` of `whole`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of operations are far below 2^52")]
    pub fn share(what: &str, part: usize, whole: usize) -> Self {
        let share = if whole == 0 { f64::NAN } else { part as f64 * 100.0 / whole as f64 };
        let mut figure = Self::new(what, "%", &[share]);
        figure.n = whole;
        figure
    }

    /// Says that `n` things were looked at for this one value.
    #[must_use]
    pub fn of(mut self, n: usize) -> Self {
        self.n = n;
        self
    }

    /// 99 in 100 samples must not exceed `limit`.
    #[must_use]
    pub fn p99_at_most(self, limit: f64) -> Self {
        let holds = self.p99 <= limit;
        let criterion = format!("p99 ≤ {}", self.with_unit(limit));
        self.must(&criterion, holds)
    }

    /// No sample may exceed `limit`.
    #[must_use]
    pub fn at_most(self, limit: f64) -> Self {
        let holds = self.max <= limit;
        let criterion = format!("≤ {}", self.with_unit(limit));
        self.must(&criterion, holds)
    }

    /// No sample may be below `limit`.
    #[must_use]
    pub fn at_least(self, limit: f64) -> Self {
        let holds = self.min >= limit;
        let criterion = format!("≥ {}", self.with_unit(limit));
        self.must(&criterion, holds)
    }

    /// Every sample must be `value`.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "counts are whole numbers")]
    pub fn is(self, value: f64) -> Self {
        let holds = self.min == value && self.max == value;
        let criterion = format!("= {}", self.with_unit(value));
        self.must(&criterion, holds)
    }

    /// `criterion`, in words, must hold.
    #[must_use]
    pub fn must(mut self, criterion: &str, holds: bool) -> Self {
        if !self.criterion.is_empty() {
            self.criterion += ", ";
        }
        self.criterion += criterion;
        self.pass &= holds;
        self
    }

    /// Adds what a reader has to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn with_unit(&self, value: f64) -> String {
        format!("{value} {}", self.unit).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_the_nearest_rank() {
        let samples: Vec<_> = (1..=200).rev().map(f64::from).collect();
        let figure = Figure::new("x", "s", &samples);
        assert_eq!((figure.n, figure.min, figure.p50), (200, 1.0, 100.0));
        assert_eq!((figure.p99, figure.max), (198.0, 200.0));
    }

    #[test]
    fn all_criteria_must_hold_and_one_that_fails_stays_failed() {
        let figure = Figure::new("x", "s", &[1.0, 2.0]);
        assert!(figure.clone().at_most(2.0).at_least(1.0).pass);
        let failed = figure.at_most(1.5).at_least(1.0);
        assert!(!failed.pass);
        assert_eq!(failed.criterion, "≤ 1.5 s, ≥ 1 s");
        assert!(Figure::count("left", 0_usize).is(0.0).pass);
        assert!(!Figure::count("left", 1_usize).is(0.0).pass);
    }

    #[test]
    fn without_samples_no_criterion_holds() {
        let none = Figure::seconds("x", &[]);
        assert!(!none.clone().at_most(1.0).pass && !none.clone().p99_at_most(1.0).pass);
        assert!(!none.clone().at_least(1.0).pass && !none.is(1.0).pass);
        assert!(!Figure::share("x", 0, 0).at_least(99.0).pass);
    }
}

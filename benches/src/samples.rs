//! What was measured, lap after lap, and the rows that come of it.

use crate::budget::Budget;
use crate::row::{Row, Setting};
use std::iter;

/// Ours and one peer in one unit: the rounds of all laps so far.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) setting: Setting,
    pub(crate) unit: &'static str,
    pub(crate) peer: String,
    pub(crate) budget: Budget,
    /// Whether the slowest rounds are told too.
    pub(crate) slowest: bool,
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
    /// Why the peer is out, where it is.
    pub(crate) failed: Option<String>,
}

/// All of them, in the order in which they were first held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Side>);

impl Samples {
    /// Keeps what a lap measured, behind that of the laps before it.
    pub(crate) fn add(&mut self, new: Side) -> &Side {
        let known = self.0.iter().position(|side| side.is_of(&new));
        let at = known.unwrap_or(self.0.len());
        match self.0.get_mut(at) {
            Some(side) => side.extend(new),
            None => self.0.push(new),
        }
        &self.0[at]
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        self.0.iter().flat_map(Side::rows).collect()
    }

    /// Those of one benchmark.
    pub(crate) fn rows_of(&self, id: &str) -> Vec<Row> {
        self.0.iter().filter(|side| side.setting.id == id).flat_map(Side::rows).collect()
    }
}

impl Side {
    fn is_of(&self, other: &Self) -> bool {
        let (this, that) = (&self.setting, &other.setting);
        (&this.id, &this.contest, this.at, self.unit, &self.peer)
            == (&that.id, &that.contest, that.at, other.unit, &other.peer)
    }

    /// A peer that failed once stays out: rounds after it would be beside the wrong ones of ours.
    fn extend(&mut self, lap: Self) {
        if self.failed.is_none() {
            self.ours.extend(lap.ours);
            self.theirs.extend(lap.theirs);
            self.failed = lap.failed;
        }
    }

    /// The row, and that of the slowest rounds where it is told.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        // Ours goes on where a peer fails; what is judged is rounds in which both did the work.
        let budget = if self.failed.is_some() { Budget::None } else { self.budget };
        let side = (self.peer.as_str(), self.theirs.as_slice());
        let row = Row::new(&self.setting, self.unit, &self.ours, side, budget);
        let slowest =
            self.slowest.then(|| Row::of_slowest(&self.setting, self.unit, &self.ours, side));
        iter::once(row).chain(slowest).map(|mut row| {
            row.failed.clone_from(&self.failed);
            row
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(peer: &str, ours: &[f64], theirs: &[f64], failed: Option<&str>) -> Side {
        Side {
            setting: Setting { id: "B2".into(), contest: "GET".into(), ..Setting::default() },
            unit: "x/s",
            peer: peer.to_owned(),
            budget: Budget::AtLeast(0.97),
            slowest: false,
            ours: ours.to_vec(),
            theirs: theirs.to_vec(),
            failed: failed.map(str::to_owned),
        }
    }

    #[test]
    fn a_row_is_of_the_rounds_of_all_laps() {
        let mut samples = Samples::default();
        samples.add(side("a", &[1.0, 1.0], &[1.0, 1.0], None));
        samples.add(side("b", &[1.0], &[1.0], None));
        samples.add(side("a", &[2.0, 2.0, 2.0], &[1.0, 1.0, 1.0], None));
        let rows = samples.rows_of("B2");
        assert_eq!((rows.len(), samples.rows().len(), samples.rows_of("B1").len()), (2, 2, 0));
        assert_eq!((rows[0].rounds, rows[0].ratio), (5, Some(2.0)));
        assert_eq!((rows[1].rounds, rows[1].ratio), (1, Some(1.0)));
    }

    #[test]
    fn a_peer_that_failed_in_a_lap_is_out_of_all_after_it_and_is_not_judged() {
        let mut samples = Samples::default();
        samples.add(side("a", &[1.0, 1.0], &[2.0], Some("it fell")));
        samples.add(side("a", &[9.0, 9.0], &[1.0, 1.0], None));
        let row = &samples.rows()[0];
        assert_eq!((row.rounds, row.ratio, row.pass), (1, Some(0.5), true));
        assert_eq!((row.failed.as_deref(), row.budget.as_str()), (Some("it fell"), ""));
    }

    #[test]
    fn the_slowest_rounds_have_a_row_of_their_own_where_they_are_told() {
        let mut side = side("b", &[1.0, 3.0], &[1.0, 1.0], None);
        assert_eq!(side.rows().count(), 1);
        side.slowest = true;
        let units: Vec<_> = side.rows().map(|row| row.unit).collect();
        assert_eq!(units, ["x/s", "x/s at p99"]);
    }
}

//! One line of the table.

use crate::budget::Budget;
use crate::spread::{Spread, share_below};
use serde::{Deserialize, Serialize};

/// One contest of ours with one peer, in one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// The benchmark, such as `B1`.
    pub(crate) id: String,
    /// What the benchmark is called.
    pub(crate) title: String,
    /// What was done.
    pub(crate) contest: String,
    /// What there was so much of, where the contest is one of several that make a line.
    pub(crate) axis: Option<String>,
    /// How much.
    pub(crate) amount: Option<u32>,
    /// Which part of ours it was.
    pub(crate) ours_name: String,
    /// The median of ours.
    pub(crate) ours: f64,
    /// Who it was measured beside.
    pub(crate) peer_name: String,
    /// The median of the peer's; none where it had no round.
    pub(crate) peer: Option<f64>,
    pub(crate) unit: String,
    /// The median of the rounds' own ratios, ours to the peer's; none where the peer has nothing.
    pub(crate) ratio: Option<f64>,
    /// Their quartiles; none where there is one figure of all rounds, or one round.
    pub(crate) spread: Option<[f64; 2]>,
    /// Rounds that count.
    pub(crate) rounds: usize,
    /// What must hold of the ratio; empty where it is for information.
    pub(crate) budget: String,
    pub(crate) pass: bool,
    /// Why it is missed, where that is known.
    #[serde(default)]
    pub(crate) why: Option<String>,
    /// Why the peer could not go on, where it could not: then nothing is judged.
    pub(crate) failed: Option<String>,
    /// The day, in UTC, as `2026-11-22`.
    pub(crate) date: String,
    /// Of all that took part.
    pub(crate) versions: String,
    /// Cores, memory, kernel, build.
    pub(crate) machine: String,
}

/// What all rows of one contest share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setting {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) contest: String,
    pub(crate) at: Option<(&'static str, u32)>,
    pub(crate) ours_name: String,
    pub(crate) date: String,
    pub(crate) versions: String,
    pub(crate) machine: String,
}

impl Row {
    /// Of the rounds of ours and of a peer's, in the same order.
    pub(crate) fn new(
        setting: &Setting,
        unit: &str,
        ours: &[f64],
        (peer_name, peer): (&str, &[f64]),
        budget: Budget,
    ) -> Self {
        let ratios: Vec<_> = ours.iter().zip(peer).map(|(ours, peer)| ours / peer).collect();
        let ratio = Spread::of(&ratios);
        let is_one = [ratio.low, ratio.middle, ratio.high].iter().all(|part| part.is_finite());
        let setting = setting.clone();
        Self {
            id: setting.id,
            title: setting.title,
            contest: setting.contest,
            axis: setting.at.map(|(axis, _)| axis.to_owned()),
            amount: setting.at.map(|(_, amount)| amount),
            ours_name: setting.ours_name,
            ours: short(Spread::of(ours).middle),
            peer_name: peer_name.to_owned(),
            peer: Some(short(Spread::of(peer).middle)).filter(|peer| peer.is_finite()),
            unit: unit.to_owned(),
            ratio: is_one.then(|| short(ratio.middle)),
            spread: (is_one && ratios.len() > 1).then(|| [short(ratio.low), short(ratio.high)]),
            rounds: ratios.len(),
            budget: budget.text(),
            pass: budget.holds(ratio.middle),
            why: None,
            failed: None,
            date: setting.date,
            versions: setting.versions,
            machine: setting.machine,
        }
    }

    /// The 99th percentile of each, where [`new`](Self::new) has the medians. Nothing is judged.
    pub(crate) fn of_slowest(
        setting: &Setting,
        unit: &str,
        ours: &[f64],
        (peer_name, peer): (&str, &[f64]),
    ) -> Self {
        let [slowest, theirs] = [ours, peer].map(|values| [share_below(values, 0.99)]);
        let unit = format!("{unit} at p99");
        let row = Self::new(setting, &unit, &slowest, (peer_name, &theirs), Budget::None);
        Self { rounds: ours.len().min(peer.len()), ..row }
    }

    /// The number in the id, by which the table is sorted.
    pub(crate) fn place(&self) -> u32 {
        self.id.trim_start_matches('B').parse().unwrap_or(u32::MAX)
    }
}

/// With six digits that mean something, so that the file holds no others.
fn short(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_own() {
        let setting = Setting { id: "B12".into(), ..Setting::default() };
        // The second round was slow for both.
        let (ours, peer) = ([90.0, 9.0, 110.0], [100.0, 10.0, 100.0]);
        let row = Row::new(&setting, "x/s", &ours, ("other", &peer), Budget::AtLeast(0.97));
        assert_eq!((row.ours, row.peer, row.ratio), (90.0, Some(100.0), Some(0.9)));
        assert_eq!((row.spread, row.rounds, row.place()), (Some([0.9, 1.0]), 3, 12));
        assert!(!row.pass);
        let slow = Row::of_slowest(&setting, "ms", &ours, ("other", &peer));
        assert_eq!((slow.unit.as_str(), slow.rounds, slow.pass), ("ms at p99", 3, true));
        assert_eq!((slow.ours, slow.peer), (109.6, Some(100.0)));
        assert_eq!((slow.ratio, slow.spread), (Some(1.096), None));
        assert_eq!(short(1_234_567.8).to_string(), "1234570");
        let row = Row::new(&setting, "files", &[0.0], ("other", &[0.0]), Budget::AtMost(1.0));
        assert!(row.ratio.is_none() && row.spread.is_none() && !row.pass);
    }
}

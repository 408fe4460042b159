//! What came of it.

use crate::data::{Data, Workload};
use std::time::Duration;

/// Documents in a second of each side, by the round: the bare driver's, ours, pymongo's.
#[derive(Default)]
pub(crate) struct Rates([Vec<f64>; 3]);

/// Documents in a second.
pub(crate) fn pace((count, took): (usize, Duration)) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

impl Rates {
    pub(crate) fn add(&mut self, pace: [Option<f64>; 3]) {
        for (rates, pace) in self.0.iter_mut().zip(pace) {
            rates.extend(pace);
        }
    }

    pub(crate) fn print(&self, workload: Workload, data: &Data, rounds: usize) {
        let [bare, ours, peer] = &self.0;
        println!("{}: {}; medians of {rounds} rounds", workload.name(), what(workload, data));
        println!("  bare driver  {:>9.0} documents/s", part(bare, 0.5));
        println!(
            "  qa-mongo     {:>9.0} documents/s, {} of the bare driver",
            part(ours, 0.5),
            ratio(ours, bare)
        );
        if !peer.is_empty() {
            println!(
                "  pymongo      {:>9.0} documents/s; ours is {} of it",
                part(peer, 0.5),
                ratio(ours, peer)
            );
        }
    }
}

fn what(workload: Workload, data: &Data) -> String {
    match workload {
        Workload::Kline => format!("{} daily bars upserted, twice", data.days.len()),
        Workload::Minutes => {
            let each = data.minutes.first().map_or(0, Vec::len);
            format!("{} workers, {each} minutes inserted by each", data.minutes.len())
        }
        Workload::Snapshot => format!("{} prices upserted", data.quotes.len()),
        Workload::Range => {
            format!("{} daily bars of {} stocks read", data.days.len(), data.codes.len())
        }
        Workload::Accounts => {
            format!("{} accounts of 22 KB upserted, with a line of 1 KB", data.accounts.len())
        }
    }
}

/// The median of the rounds' ratios, with its quartiles.
fn ratio(of: &[f64], to: &[f64]) -> String {
    let ratios: Vec<_> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| part(&ratios, share));
    format!("{middle:.3} ({low:.3} to {high:.3})")
}

/// The value that this share of all is below.
fn part(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = f64::from(u32::try_from(values.len().saturating_sub(1)).unwrap_or(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an index")]
    let at = (last * share).round() as usize;
    values[at]
}

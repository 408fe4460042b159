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

    /// The workload's row of the table.
    pub(crate) fn row(&self, workload: Workload, data: &Data) -> String {
        let [bare, ours, peer] = &self.0;
        let (peers, times) = if peer.is_empty() {
            (String::new(), String::new())
        } else {
            (rate(peer), ratio(ours, peer))
        };
        format!(
            "| {} | {} | {} | {} | {} | {peers} | {times} |",
            workload.name(),
            what(workload, data),
            rate(bare),
            rate(ours),
            ratio(ours, bare)
        )
    }

    /// The rates of every round, as a line of JSON.
    pub(crate) fn json(&self, workload: Workload) -> String {
        let ([bare, ours, peer], name) = (&self.0, workload.name());
        format!(
            "{{\"workload\":\"{name}\",\"bare\":{bare:?},\"ours\":{ours:?},\"pymongo\":{peer:?}}}\n"
        )
    }
}

/// What stands above the rows.
pub(crate) fn print_head(rounds: usize, scale: f64) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("{rounds} rounds at scale {scale} on {cores} cores; documents a second, medians;");
    println!("ratios are the medians of the rounds' own, with their quartiles\n");
    println!(
        "| workload | of | bare driver | qa-mongo | to the bare driver | pymongo | to pymongo |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|");
}

/// Says how a round went, while there are others to come.
pub(crate) fn tell(workload: Workload, round: usize, rounds: usize, pace: [Option<f64>; 3]) {
    let [bare, ours, peer] =
        pace.map(|pace| pace.map_or_else(|| "none".to_owned(), |pace| format!("{pace:.0}")));
    let which =
        if round == 0 { "warming up".to_owned() } else { format!("round {round} of {rounds}") };
    eprintln!("{}, {which}: bare {bare}, qa-mongo {ours}, pymongo {peer}", workload.name());
}

fn rate(of: &[f64]) -> String {
    format!("{:.0}", part(of, 0.5))
}

/// What it is about, and how much of it.
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

/// The value that this share of all is below, between two of them where it has to be.
fn part(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = f64::from(u32::try_from(values.len().saturating_sub(1)).unwrap_or(u32::MAX));
    let at = last * share;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an index")]
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    values[low] + (values[high] - values[low]) * at.fract()
}

//! A moving-average signal per code, whatever order the bars come in.

use super::bars::Bar;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const FAST: usize = 5;
const SLOW: usize = 20;

/// What Redis holds for a code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Signal {
    pub(crate) code: String,
    /// Of the last bar, in seconds since 1970, UTC.
    pub(crate) time: u32,
    pub(crate) close: f64,
    /// The mean close of the last 5 bars.
    pub(crate) fast: f64,
    /// The mean close of the last 20 bars.
    pub(crate) slow: f64,
    pub(crate) side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Long,
    Flat,
}

/// The closes that were seen, by code and time: a bar that comes twice or late changes nothing
/// about what the signal is once all have come.
#[derive(Default)]
pub(crate) struct Signals(HashMap<String, BTreeMap<u32, f64>>);

impl Signals {
    /// Takes bars in, and gives the signals of their codes.
    pub(crate) fn add(&mut self, bars: &[Bar]) -> Vec<Signal> {
        let mut codes = BTreeSet::new();
        for bar in bars {
            self.0.entry(bar.code.clone()).or_default().insert(bar.time, bar.close);
            codes.insert(bar.code.as_str());
        }
        codes.into_iter().filter_map(|code| self.of(code)).collect()
    }

    fn of(&self, code: &str) -> Option<Signal> {
        let closes = self.0.get(code)?;
        let (time, close) = closes.last_key_value()?;
        let mean = |count: usize| {
            let last: Vec<_> = closes.values().rev().take(count).collect();
            #[expect(clippy::cast_precision_loss, reason = "20 at the most")]
            let number = last.len() as f64;
            last.into_iter().sum::<f64>() / number
        };
        let (fast, slow) = (mean(FAST), mean(SLOW));
        let side = if fast > slow { Side::Long } else { Side::Flat };
        Some(Signal { code: code.to_owned(), time: *time, close: *close, fast, slow, side })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars() -> Vec<Bar> {
        let bar = |time: u32| Bar {
            code: "X".to_owned(),
            time,
            open: 1.0,
            high: 100.0,
            low: 0.0,
            close: f64::from(time),
            volume: 0.0,
        };
        (1..=30).map(bar).collect()
    }

    #[test]
    fn the_means_of_the_last_bars() {
        let signal = Signals::default().add(&bars()).remove(0);
        assert_eq!((signal.time, signal.close, signal.fast, signal.slow), (30, 30.0, 28.0, 20.5));
        assert_eq!(signal.side, Side::Long);
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        let (mut forward, mut backward) = (Signals::default(), Signals::default());
        let expected = forward.add(&bars());
        for bar in bars().iter().rev().chain(&bars()) {
            backward.add(std::slice::from_ref(bar));
        }
        assert_eq!(backward.add(&bars()[..1]), expected);
    }
}

//! The middle of many values, and how far they lie apart.

use serde::{Deserialize, Serialize};

/// The median and the quartiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) middle: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Of these values; not a number where there are none.
    pub(crate) fn of(values: &[f64]) -> Self {
        let sorted = sorted(values);
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| part(&sorted, share));
        Self { low, middle, high }
    }
}

/// The value below which this share of all lies; not a number where there are none.
pub(crate) fn share_below(values: &[f64], share: f64) -> f64 {
    part(&sorted(values), share)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The value below which this share of all lies; between two values, as far on the way as it lies between
/// their ranks.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "ranks of a few values"
)]
fn part(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let rank = last as f64 * share;
    let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    below + (above - below) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values_whose_ranks_they_are_between() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0, 5.0]);
        assert_eq!(spread, Spread { low: 2.0, middle: 3.0, high: 4.0 });
        let spread = Spread::of(&[1.0, 2.0]);
        assert_eq!(spread, Spread { low: 1.25, middle: 1.5, high: 1.75 });
        assert!(Spread::of(&[]).middle.is_nan());
    }
}

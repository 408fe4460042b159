//! The last minutes of a resource as a small picture: how it was, and how much was done.

use super::history::KEPT;
use super::report::Samples;
use std::fmt::{self, Display, Formatter};

const HEIGHT: f64 = 36.0;
/// The strip at the bottom that shows the health.
const STRIP: f64 = 5.0;

/// An SVG, the latest sample at its right edge. Colours come from the page's classes.
pub(crate) struct Sparkline<'a>(pub(crate) &'a Samples);

impl Display for Sparkline<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Samples { health, operations_per_second: rates, .. } = self.0;
        let most = rates.iter().copied().fold(0.0, f64::max);
        // One that has not been watched for long begins in the middle of the picture.
        let start = KEPT.saturating_sub(rates.len());
        write!(
            f,
            r#"<svg class="spark" viewBox="0 0 {KEPT} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="operations per second, {most:.0} at the most, and health, of the last five minutes">"#
        )?;
        for (from, length, health) in runs(health) {
            let (x, y) = (start + from, HEIGHT - STRIP);
            write!(
                f,
                r#"<rect class="{health}" x="{x}" y="{y}" width="{length}" height="{STRIP}"/>"#
            )?;
        }
        if most > 0.0 {
            f.write_str(r#"<polyline points=""#)?;
            for (at, rate) in rates.iter().enumerate() {
                let y = (HEIGHT - STRIP - 2.0) * (1.0 - rate / most) + 1.0;
                write!(f, "{},{y:.1} ", start + at)?;
            }
            f.write_str(r#""/>"#)?;
        }
        f.write_str("</svg>")
    }
}

/// Neighbours that are alike, as one: where it begins, how long it is, what it is.
fn runs<'a>(words: &[&'a str]) -> Vec<(usize, usize, &'a str)> {
    let mut runs: Vec<(usize, usize, &str)> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match runs.last_mut() {
            Some((_, length, known)) if known == word => *length += 1,
            _ => runs.push((at, 1, word)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_alike_are_one() {
        assert_eq!(runs(&["up", "up", "down", "up"]), [(0, 2, "up"), (2, 1, "down"), (3, 1, "up")]);
    }

    #[test]
    fn the_latest_is_at_the_right_edge_and_nothing_leaves_the_picture() {
        let health = vec!["up"; 10];
        let operations_per_second = vec![0.0, 5.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.5];
        let samples = Samples { interval_seconds: 2, health, operations_per_second };
        let svg = Sparkline(&samples).to_string();
        assert!(svg.contains(r#"x="140" y="31" width="10""#), "{svg}");
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<(f64, f64)> = points
            .split_whitespace()
            .map(|point| point.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        assert_eq!(points.len(), 10);
        assert!((points[9].0 - 149.0).abs() < 1e-9 && (points[2].1 - 1.0).abs() < 1e-9);
        assert!(points.iter().all(|(_, y)| (0.0..=HEIGHT - STRIP).contains(y)), "{points:?}");
    }
}

//! One line of the table.

use super::Figure;
use serde::{Deserialize, Serialize};

/// One figure of one experiment on one backend, with what it was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The experiment, such as `E1`.
    pub id: String,
    /// What the experiment is called.
    pub title: String,
    /// The backend, or `pool` or `core` where it is not about one.
    pub backend: String,
    /// What was measured.
    pub figure: String,
    /// The day, in UTC, as `2026-11-22`.
    pub date: String,
    /// Versions of the library, the server and the driver.
    pub versions: String,
    /// Cores, memory and kernel.
    pub machine: String,
    /// Samples.
    pub n: usize,
    /// The median; `None` where nothing could be measured.
    pub p50: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The greatest sample.
    pub max: Option<f64>,
    /// The samples' unit.
    pub unit: String,
    /// What must hold; empty where the figure is for information.
    pub criterion: String,
    /// Whether it holds.
    pub pass: bool,
    /// Why it fails, or how it was measured.
    pub note: Option<String>,
}

/// What all rows of one run on one backend share.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// See [`Row::id`].
    pub id: String,
    /// See [`Row::title`].
    pub title: String,
    /// See [`Row::backend`].
    pub backend: String,
    /// See [`Row::date`].
    pub date: String,
    /// See [`Row::versions`].
    pub versions: String,
    /// See [`Row::machine`].
    pub machine: String,
}

impl Row {
    /// A figure as a row.
    #[must_use]
    pub fn new(setting: Setting, figure: Figure) -> Self {
        let Setting { id, title, backend, date, versions, machine } = setting;
        let known = |value: f64| value.is_finite().then(|| round(value));
        Self {
            id,
            title,
            backend,
            figure: figure.what,
            date,
            versions,
            machine,
            n: figure.n,
            p50: known(figure.p50),
            p99: known(figure.p99),
            max: known(figure.max),
            unit: figure.unit.to_owned(),
            criterion: figure.criterion,
            pass: figure.pass,
            note: figure.note,
        }
    }

    /// The row of an experiment that ended without a figure.
    #[must_use]
    pub fn failed(setting: Setting, reason: &str) -> Self {
        let nothing = Figure::new("the run", "", &[]).must("it ends with figures", false);
        Self::new(setting, nothing.note(reason))
    }

    /// What the table is sorted by: the experiment's number, then the backend.
    #[must_use]
    pub fn place(&self) -> (u32, String) {
        (self.id.trim_start_matches('E').parse().unwrap_or(u32::MAX), self.backend.clone())
    }
}

/// To a microsecond, so that the file holds no digits that mean nothing.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

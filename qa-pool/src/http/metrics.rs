//! What is measured, as Prometheus' text.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use qa_resource_core::{Error, Result};

/// Upper bounds of the histograms, in seconds: those that OpenTelemetry recommends for the duration of
/// an operation, with finer ones below, for servers next door, and longer ones for outages.
const BUCKETS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0,
    60.0, 300.0,
];

/// Who tells the recorder the units and meanings of the metrics of this build.
const DESCRIPTIONS: &[(&str, fn())] = &[
    ("core", qa_resource_core::metrics::describe_all),
    #[cfg(feature = "amqp")]
    ("amqp", qa_amqp::metrics::describe_all),
    #[cfg(feature = "clickhouse")]
    ("clickhouse", qa_clickhouse::metrics::describe_all),
    #[cfg(feature = "mongo")]
    ("mongo", qa_mongo::metrics::describe_all),
    #[cfg(feature = "redis")]
    ("redis", qa_redis::metrics::describe_all),
];

/// A recorder of the `metrics` crate that keeps what is measured for Prometheus. All clones are the
/// same.
///
/// Names are those of `docs/metrics.md` with `_` for each dot, the unit, and `_total` behind counters:
/// `qa.resource.outage.duration` is the histogram `qa_resource_outage_duration_seconds`.
#[derive(Clone)]
pub struct Prometheus(PrometheusHandle);

impl Prometheus {
    /// Makes it the process's recorder, and tells it the units and meanings of all our metrics.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where the process has another recorder: then
    /// what that one renders goes to [`Http::with_metrics`](super::Http::with_metrics).
    pub fn install() -> Result<Self> {
        let handle = builder().and_then(|builder| {
            builder.install_recorder().map_err(|_| {
                Error::config(
                    "metrics",
                    "another recorder is installed; give what it renders to Http::with_metrics",
                )
            })
        })?;
        describe();
        Ok(Self(handle))
    }

    /// All that was measured so far, as Prometheus' text.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Puts what histograms were given into their buckets, so that it does not heap up where nobody
    /// asks for it. The endpoints do it every two seconds.
    pub fn keep_up(&self) {
        self.0.run_upkeep();
    }
}

fn describe() {
    for (_, describe) in DESCRIPTIONS {
        describe();
    }
}

fn builder() -> Result<PrometheusBuilder> {
    let builder = PrometheusBuilder::new().with_recommended_naming(true).set_buckets(&BUCKETS);
    builder.map_err(|error| Error::config("metrics", error.to_string()))
}

impl std::fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prometheus")
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;

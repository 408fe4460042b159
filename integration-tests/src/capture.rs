//! Everything that the process logs and measures.

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::registry::{AtomicStorage, Registry};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_subscriber::fmt::format::FmtSpan;

/// The log and the metrics of the process, of which there is one each.
#[derive(Clone)]
pub struct Capture {
    log: Log,
    metrics: Arc<Registry<Key, AtomicStorage>>,
}

/// One series, and what it stands at.
#[derive(Debug)]
pub struct Series {
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it stands at.
    pub value: Value,
}

/// What a series stands at.
#[derive(Debug)]
pub enum Value {
    /// Counted so far.
    Counter(u64),
    /// Set last.
    Gauge(f64),
    /// Recorded so far, in no order.
    Histogram(Vec<f64>),
}

impl Capture {
    /// Captures from the first call on, which says what: `filter` as `RUST_LOG` has it, and what
    /// is logged of spans. Later calls give the same.
    ///
    /// # Panics
    /// Where something else captures already, or nothing is captured.
    #[must_use]
    pub fn install(filter: &str, spans: FmtSpan) -> Self {
        static CAPTURE: OnceLock<Capture> = OnceLock::new();
        let install = || {
            let capture = Self { log: Log::default(), metrics: Arc::new(Registry::atomic()) };
            metrics::set_global_recorder(capture.clone()).map_err(|_| "a recorder").unwrap();
            // Also what comes by the crate `log`.
            let writer = capture.log.clone();
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_span_events(spans)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            tracing::error!("listening");
            assert!(capture.take_log().contains("listening"), "the log is not captured");
            capture
        };
        CAPTURE.get_or_init(install).clone()
    }

    /// What was logged since this was last called.
    #[must_use]
    pub fn take_log(&self) -> String {
        self.log.text(std::mem::take)
    }

    /// What was logged since it was last taken.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text(|bytes| bytes.clone())
    }

    /// Every series. Looking changes none.
    #[must_use]
    pub fn metrics(&self) -> Vec<Series> {
        let mut all = Vec::new();
        let counted = |key: &Key, counter: &Arc<_>| {
            let counter: &std::sync::atomic::AtomicU64 = counter;
            all.push(series(key, Value::Counter(counter.load(Ordering::SeqCst))));
        };
        self.metrics.visit_counters(counted);
        self.metrics.visit_gauges(|key, gauge| {
            all.push(series(key, Value::Gauge(f64::from_bits(gauge.load(Ordering::SeqCst)))));
        });
        self.metrics.visit_histograms(|key, histogram| {
            all.push(series(key, Value::Histogram(histogram.data())));
        });
        all
    }
}

fn series(key: &Key, value: Value) -> Series {
    let label = |label: &metrics::Label| (label.key().to_owned(), label.value().to_owned());
    Series { name: key.name().to_owned(), labels: key.labels().map(label).collect(), value }
}

/// Unlike the recorder for debugging it can be looked at more than once, and by many.
impl Recorder for Capture {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.metrics.get_or_create_counter(key, |counter| Arc::clone(counter).into())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.metrics.get_or_create_gauge(key, |gauge| Arc::clone(gauge).into())
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.metrics.get_or_create_histogram(key, |histogram| Arc::clone(histogram).into())
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self, read: impl FnOnce(&mut Vec<u8>) -> Vec<u8>) -> String {
        let bytes = read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Everything that the process logs and measures.

use metrics_util::debugging::{DebuggingRecorder, Snapshotter};
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Everything, less two things that drivers write and that only a filter keeps out; the front pages
/// of `qa-amqp` and `qa-clickhouse` say so to their users. At TRACE lapin writes its frames, the first
/// of which has user and password; at DEBUG clickhouse writes the server's errors, of which that of a
/// refused login has the user.
const FILTER: &str = "trace,lapin=debug,clickhouse::error=info";

/// The log since it was begun, and the metrics since ever.
pub(crate) struct Capture {
    log: Log,
    metrics: &'static Snapshotter,
}

impl Capture {
    /// Begins with an empty log.
    pub(crate) fn begin() -> Self {
        static CAPTURE: OnceLock<(Log, Snapshotter)> = OnceLock::new();
        let (log, metrics) = CAPTURE.get_or_init(|| {
            let (log, recorder) = (Log::default(), DebuggingRecorder::new());
            let metrics = recorder.snapshotter();
            recorder.install().unwrap();
            // Also what comes by the crate `log`.
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_env_filter(FILTER)
                .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            (log, metrics)
        });
        log.take();
        tracing::trace!("listening");
        assert!(log.take().contains("listening"), "the log is not captured");
        Self { log: log.clone(), metrics }
    }

    /// The log, and the metrics with their labels, a line each.
    pub(crate) fn end(self) -> (String, String) {
        let mut metrics = String::new();
        for (key, unit, description, value) in self.metrics.snapshot().into_vec() {
            writeln!(metrics, "{key:?} {unit:?} {description:?} {value:?}").unwrap();
        }
        (self.log.take(), metrics)
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
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

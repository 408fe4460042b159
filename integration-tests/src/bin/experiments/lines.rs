//! What the process logs, as an operator would see it: INFO and above.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// One line of the log.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The resource that it is about; of a driver's lines nobody knows.
    resource: Option<String>,
    message: String,
}

/// The lines since somebody looked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<Line>>>);

/// What lines there are of one resource.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// State changes.
    pub(crate) changes: usize,
    /// Summaries while it is down.
    pub(crate) summaries: usize,
}

impl Lines {
    /// Listens to all that this process logs from now on, also by the crate `log`.
    ///
    /// # Panics
    /// Where somebody listens already.
    pub(crate) fn listen() -> Self {
        let lines = Self::default();
        registry().with(lines.clone().with_filter(LevelFilter::INFO)).init();
        lines
    }

    /// The lines so far; they are forgotten here.
    pub(crate) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is told of each resource, and the lines that are about none.
pub(crate) fn sort(lines: Vec<Line>) -> (BTreeMap<String, Told>, Vec<String>) {
    let (mut told, mut others) = (BTreeMap::<String, Told>::new(), Vec::new());
    for Line { resource, message } in lines {
        let Some(resource) = resource else {
            others.push(message);
            continue;
        };
        let told = told.entry(resource).or_default();
        match message.as_str() {
            "resource is still down" => told.summaries += 1,
            text if text.starts_with("resource is ") => told.changes += 1,
            _ => others.push(message),
        }
    }
    (told, others)
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "resource" => self.resource = Some(format!("{value:?}")),
            _ => {}
        }
    }
}

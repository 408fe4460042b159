//! The rows, and what is known of them.

use super::{BatchOptions, BatchReport, PushError};
use qa_resource_core::{Error, ErrorKind};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

/// Rows that are inserted together, and under one token for as long as it takes.
pub(super) struct Batch<T> {
    pub(super) rows: Vec<T>,
    pub(super) token: String,
}

/// When the worker has something to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    At(Instant),
    WhenWoken,
}

/// How many rows there are, and what became of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) taken: u64,
    pub(super) stored: u64,
    pub(super) handed_back: u64,
    pub(super) halted: Option<Error>,
}

impl Counts {
    pub(super) fn pending(&self) -> u64 {
        self.taken - self.stored - self.handed_back
    }
}

struct State<T> {
    counts: Counts,
    /// Rows that are in no batch yet, and when the oldest of them came.
    open: VecDeque<T>,
    oldest: Option<Instant>,
    /// The batch under way.
    sealed: Option<Arc<Batch<T>>>,
    /// Whether the batch under way may be stored already.
    unknown: bool,
    /// Rows are to be stored, full or not, until so many are.
    flush_to: u64,
    refuses: bool,
    batches: u64,
}

/// What the handles and the worker share.
pub(super) struct Shared<T> {
    state: Mutex<State<T>>,
    options: BatchOptions,
    resource: String,
    table: String,
    /// Sets the batches of this batcher apart from those of any other.
    id: u128,
    /// Places for rows that are held.
    pub(super) places: Semaphore,
    /// Tells the worker that there is something to do.
    pub(super) wake: Notify,
    /// Tells everybody else that something has changed.
    changed: watch::Sender<()>,
}

impl<T> Shared<T> {
    pub(super) fn new(resource: &str, table: &str, options: BatchOptions) -> Self {
        let state = State {
            counts: Counts::default(),
            open: VecDeque::new(),
            oldest: None,
            sealed: None,
            unknown: false,
            flush_to: 0,
            refuses: false,
            batches: 0,
        };
        Self {
            state: Mutex::new(state),
            places: Semaphore::new(options.capacity),
            options,
            resource: resource.to_owned(),
            table: table.to_owned(),
            id: fastrand::u128(..),
            wake: Notify::new(),
            changed: watch::Sender::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Why no row is taken at present.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.lock().refusal(self)
    }

    /// Takes a row for which there is a place.
    pub(super) fn take(&self, row: T) -> Result<(), PushError<T>> {
        let mut state = self.lock();
        if let Some(error) = state.refusal(self) {
            self.places.add_permits(1);
            return Err(PushError { row, error });
        }
        state.open.push_back(row);
        state.counts.taken += 1;
        let rows = state.open.len();
        if rows == 1 {
            state.oldest = Some(Instant::now());
        }
        drop(state);
        // The first row starts the clock, and the last one of a batch ends the wait.
        if rows == 1 || rows == self.options.max_rows {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Wants everything stored that was taken until now; gives how many rows that is.
    pub(super) fn ask_for_flush(&self) -> u64 {
        let mut state = self.lock();
        state.flush_to = state.counts.taken;
        state.counts.halted = None;
        self.wake.notify_one();
        state.flush_to
    }

    pub(super) fn refuse_rows(&self) {
        self.lock().refuses = true;
        self.changed.send_replace(());
    }

    pub(super) fn due(&self) -> Due {
        let state = self.lock();
        if state.counts.halted.is_some() {
            return Due::WhenWoken;
        }
        let full = state.open.len() >= self.options.max_rows;
        let asked = state.flush_to > state.counts.stored && !state.open.is_empty();
        if state.sealed.is_some() || full || asked {
            return Due::Now;
        }
        // An age that never comes is none.
        match state.oldest.and_then(|oldest| oldest.checked_add(self.options.max_age)) {
            None => Due::WhenWoken,
            Some(at) if at <= Instant::now() => Due::Now,
            Some(at) => Due::At(at),
        }
    }

    /// The batch under way, or the next one; its rows and its token never change.
    pub(super) fn seal(&self) -> Option<Arc<Batch<T>>> {
        let mut state = self.lock();
        if state.sealed.is_none() && !state.open.is_empty() {
            let rows = state.open.len().min(self.options.max_rows);
            let rows = state.open.drain(..rows).collect();
            if state.open.is_empty() {
                state.oldest = None;
            }
            state.batches += 1;
            let token = format!("qa-{:032x}-{}", self.id, state.batches);
            state.sealed = Some(Arc::new(Batch { rows, token }));
        }
        state.sealed.clone()
    }

    /// Notes that the batch is on its way; gives whether it was known not to be stored.
    pub(super) fn begin_attempt(&self) -> bool {
        !std::mem::replace(&mut self.lock().unknown, true)
    }

    /// Notes that the attempt was certainly not applied.
    pub(super) fn not_applied(&self) {
        self.lock().unknown = false;
    }

    pub(super) fn batch_stored(&self) {
        let mut state = self.lock();
        let rows = state.sealed.take().map_or(0, |batch| batch.rows.len());
        state.counts.stored += rows as u64;
        state.unknown = false;
        drop(state);
        self.places.add_permits(rows);
        self.changed.send_replace(());
    }

    pub(super) fn halt(&self, error: Error) {
        let (resource, table) = (&self.resource, &self.table);
        tracing::warn!(%resource, %table, cause = %error.message(), "the batcher is halted");
        self.lock().counts.halted = Some(error);
        self.changed.send_replace(());
    }

    /// The end: whatever is left, in order.
    pub(super) fn hand_back(&self, cause: Option<Error>) -> BatchReport<T> {
        let mut state = self.lock();
        let sealed = state.sealed.take().and_then(Arc::into_inner);
        let mut rows = sealed.map_or_else(Vec::new, |batch| batch.rows);
        let unknown = if state.unknown { rows.len() } else { 0 };
        rows.extend(state.open.drain(..));
        state.oldest = None;
        state.counts.handed_back += rows.len() as u64;
        let cause = if rows.is_empty() { None } else { cause };
        BatchReport { stored: state.counts.stored, unknown, rows, cause }
    }

    pub(super) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        let message = format!("inserting into {}: {}", self.table, message.into());
        Error::new(kind, self.resource.as_str(), message)
    }

    pub(super) fn closed_error(&self) -> Error {
        self.error(ErrorKind::Closed, "the batcher is closed")
    }
}

impl<T> State<T> {
    fn refusal(&self, shared: &Shared<T>) -> Option<Error> {
        if self.refuses { Some(shared.closed_error()) } else { self.counts.halted.clone() }
    }
}

//! The rows, and what is known of them.

mod intake;
mod under_way;

use super::kind::{Kind, behind};
use super::queue::{Due, Queue};
use super::spill::{Left, Spill};
use super::work::{Counts, Work};
use super::{BatchMemory, BatchOptions, BatchReport};
use crate::metrics::BatchMeter;
use qa_resource_core::{Error, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

struct State<T> {
    counts: Counts,
    queue: Queue<T>,
    work: Option<Work<T>>,
    /// The batch behind it, where that may be on its way already.
    following: Option<Work<T>>,
    refuses: bool,
}

/// What the handles and the tasks share.
pub(super) struct Shared<T: 'static> {
    state: Mutex<State<T>>,
    pub(super) kind: &'static dyn Kind<T>,
    pub(super) options: BatchOptions,
    resource: String,
    table: String,
    id: u128,
    pub(super) memory: BatchMemory,
    pub(super) spill: Option<Spill<T>>,
    pub(super) meter: BatchMeter,
    /// Tells the worker that there is something to do.
    pub(super) wake: Notify,
    /// Tells everybody else that something has changed.
    changed: watch::Sender<()>,
}

impl<T> Shared<T> {
    pub(super) fn new(
        (resource, table): (&str, &str),
        kind: &'static dyn Kind<T>,
        options: BatchOptions,
        memory: BatchMemory,
        spill: Option<(Spill<T>, Vec<Left>)>,
    ) -> Self {
        // Sets the batches of this batcher apart from those of any other.
        let id = fastrand::u128(..);
        let (spill, left) = spill.map_or((None, Vec::new()), |(spill, left)| (Some(spill), left));
        let mut queue = Queue::new(id, left.last().map_or(1, |last| last.batch + 1));
        let mut counts = Counts::default();
        for left in left {
            queue.restore(left.batch, left.id, left.rows, Instant::now());
            counts.taken += left.rows as u64;
        }
        counts.synced = counts.taken;
        Self {
            state: Mutex::new(State { counts, queue, work: None, following: None, refuses: false }),
            kind,
            options,
            resource: resource.to_owned(),
            table: table.to_owned(),
            id,
            memory,
            spill,
            meter: BatchMeter::new(resource, table),
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

    pub(super) fn tell(&self) {
        self.changed.send_replace(());
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Why no row is taken at present.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.lock().refusal(self)
    }

    pub(super) fn refuse_rows(&self) {
        self.lock().refuses = true;
        self.tell();
    }

    /// Wants everything stored that was taken until now; gives how many rows that is.
    pub(super) fn ask_for_flush(&self) -> u64 {
        let mut state = self.lock();
        state.queue.seal();
        state.counts.halted = None;
        self.wake.notify_one();
        state.counts.taken
    }

    /// There is no memory for more: what there is goes out, full or not.
    pub(super) fn press(&self) {
        let mut state = self.lock();
        state.queue.seal();
        let synced = state.counts.synced;
        let freed = if self.spill.is_some() { state.queue.evict(synced) } else { 0 };
        drop(state);
        self.memory.give_back(freed);
        self.wake.notify_one();
    }

    /// Whether there is a batch that could be pressed out.
    pub(super) fn is_open(&self) -> bool {
        self.lock().queue.is_open()
    }

    pub(super) fn due(&self) -> Due {
        let state = self.lock();
        if state.counts.halted.is_some() {
            return Due::WhenWoken;
        }
        if state.work.is_some() || state.following.is_some() {
            return Due::Now;
        }
        state.queue.due(&self.options, Instant::now())
    }

    pub(super) fn halt(&self, error: Error) {
        let (resource, table) = (&self.resource, &self.table);
        tracing::warn!(%resource, %table, cause = %error.message(), "the batcher is halted");
        self.lock().counts.halted = Some(error);
        self.tell();
    }

    /// The end: whatever is left, in order.
    pub(super) fn hand_back(&self, cause: Option<Error>) -> BatchReport<T> {
        let mut state = self.lock();
        let State { counts, queue, work, following, .. } = &mut *state;
        let (mut rows, mut left, mut unknown, mut bytes) = (Vec::new(), 0, 0, 0);
        let mut spilled = 0;
        for work in work.take().into_iter().chain(following.take()) {
            left += work.parts.rows();
            unknown += work.unknown();
            bytes += work.bytes;
            if self.spill.is_some() {
                spilled += work.parts.rows();
            } else {
                rows.extend(work.into_left(self.kind));
            }
        }
        let on_disk = |last: u64, count: usize| {
            let unwritten = last.saturating_sub(counts.synced);
            count - usize::try_from(unwritten).unwrap_or(count).min(count)
        };
        for batch in queue.drain() {
            left += batch.count;
            bytes += batch.bytes;
            let written = if self.spill.is_some() { on_disk(batch.last, batch.count) } else { 0 };
            spilled += written;
            // Rows that are not here are on the disk, every one of them.
            rows.extend(behind(self.kind, batch.rows.into_iter().flatten(), written));
        }
        counts.handed_back += left as u64;
        let (stored, refused) = (counts.stored, counts.refused);
        drop(state);
        self.memory.give_back(bytes);
        let cause = if left == 0 { None } else { cause };
        let (left, spilled) = ((left - spilled) as u64, spilled as u64);
        BatchReport { stored, refused, unknown, rows, left, spilled, cause }
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

//! The rows, and what is known of them.

use super::kind::{Kind, behind};
use super::queue::{Due, Queue, Size};
use super::spill::{Left, Spill};
use super::work::{Counts, Insertion, Next, Work};
use super::{BatchMemory, BatchOptions, BatchReport, PushError};
use crate::metrics::BatchMeter;
use qa_resource_core::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

    /// The first part of the batch under way.
    pub(super) fn insertion(&self) -> Option<Insertion<T>> {
        self.lock().work.as_ref()?.insertion()
    }

    /// The whole batch behind the one under way, once it is full, where it takes so many bytes.
    pub(super) fn follow(&self, bytes: usize) -> Option<Insertion<T>> {
        let mut state = self.lock();
        if state.following.is_none() {
            let next = state.queue.full().filter(|next| next.bytes >= bytes)?;
            if self.spill.is_some() && next.last > state.counts.synced {
                return None;
            }
            state.following = state.queue.take().and_then(Work::of);
        }
        state.following.as_ref()?.insertion()
    }

    /// Begins with the batch that is next, where none is under way.
    pub(super) fn begin(&self) -> Next {
        let mut state = self.lock();
        if state.work.is_some() {
            return Next::UnderWay;
        }
        if let Some(following) = state.following.take() {
            state.work = Some(following);
            return Next::UnderWay;
        }
        let synced = state.counts.synced;
        let Some(first) = state.queue.first() else { return Next::Nothing };
        // What the server has and the disk has not would come twice after a crash.
        if self.spill.is_some() && first.last > synced {
            return Next::Unsynced;
        }
        let Some(rows) = first.rows.take() else { return Next::OnDisk(first.number) };
        state.put_to_work(rows);
        Next::UnderWay
    }

    /// Begins with the batch that is next, whose rows were on the disk.
    pub(super) fn begin_with(&self, rows: Vec<T>) {
        let mut state = self.lock();
        if state.work.is_none() {
            state.put_to_work(rows);
        }
    }

    /// Notes that the part is on its way; gives whether it was known not to be stored.
    pub(super) fn begin_attempt(&self) -> bool {
        self.with_work(|work| !std::mem::replace(&mut work.unknown, true)).unwrap_or(true)
    }

    /// Notes that the attempt was certainly not applied.
    pub(super) fn not_applied(&self) {
        self.with_work(|work| work.unknown = false);
    }

    fn with_work<R>(&self, change: impl FnOnce(&mut Work<T>) -> R) -> Option<R> {
        self.lock().work.as_mut().map(change)
    }

    pub(super) fn split(&self) {
        self.with_work(|work| {
            work.tainted |= std::mem::take(&mut work.unknown);
            work.parts.split();
        });
    }

    pub(super) fn part_stored(&self) {
        let rows = self.part_done(|counts, rows, _| counts.stored += rows);
        self.meter.stored(rows);
    }

    pub(super) fn part_refused(&self) {
        let rows = self.part_done(|counts, rows, refused| {
            counts.refused += rows;
            *refused += 1;
        });
        self.meter.refused(rows);
    }

    fn part_done(&self, count: impl FnOnce(&mut Counts, u64, &mut usize)) -> u64 {
        let mut state = self.lock();
        let State { counts, work, .. } = &mut *state;
        let Some(under_way) = work else { return 0 };
        let rows = under_way.parts.first().map_or(0, |part| part.len() as u64);
        count(counts, rows, &mut under_way.refused);
        under_way.unknown = false;
        under_way.parts.done();
        let finished = if under_way.parts.first().is_none() { work.take() } else { None };
        drop(state);
        let done = finished.map(|finished| {
            self.memory.give_back(finished.bytes);
            self.forget(finished.batch);
            finished.rows
        });
        self.tell();
        if let Some(rows) = done.and_then(Arc::into_inner) {
            self.reuse(rows);
        }
        rows
    }

    /// The rows are dropped, without the lock: their memory is the next batch's.
    fn reuse(&self, mut rows: Vec<T>) {
        rows.clear();
        self.lock().queue.reuse(rows);
    }

    fn forget(&self, batch: u64) {
        if let Some(spill) = &self.spill {
            spill.remove(batch);
        }
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

impl<T: Send + 'static> Shared<T> {
    /// Takes a chunk for which there is memory, and a place on the disk where it was encoded for that.
    /// Gives the number of its last row.
    pub(super) fn take(
        &self,
        row: T,
        share: u32,
        encoded: Option<Vec<u8>>,
    ) -> Result<u64, PushError<T>> {
        let mut state = self.lock();
        if let Some(error) = state.refusal(self) {
            drop(state);
            self.give_back(share, encoded.as_deref());
            return Err(PushError { row: Some(row), error });
        }
        let State { counts, queue, .. } = &mut *state;
        if queue.last().is_some_and(|last| !self.kind.fits(last, &row)) {
            queue.seal();
        }
        let size = Size { rows: self.kind.rows(&row), bytes: share as usize };
        counts.taken += size.rows as u64;
        let number = counts.taken;
        let place = queue.push(number, row, size, &self.options, Instant::now);
        if let (Some(spill), Some(bytes)) = (&self.spill, encoded) {
            // Under the lock: the disk has rows in the order in which they were taken.
            spill.write(number, place.batch, self.id, bytes);
        }
        drop(state);
        if place.noteworthy {
            self.wake.notify_one();
        }
        Ok(number)
    }

    /// What a chunk takes of the memory.
    pub(super) fn share(&self, chunk: &T) -> u32 {
        self.memory.share(self.kind.bytes(chunk))
    }

    /// Takes rows at once, each with what it takes of the memory, which is `share` for all: either all of
    /// them or, where they have to wait or there is more to be done with them, none. Gives the number of
    /// the last.
    pub(super) fn take_now(
        &self,
        share: u64,
        rows: &mut impl Iterator<Item = (T, u32)>,
    ) -> Option<u64> {
        if self.spill.is_some() || !self.kind.of_one() {
            return None;
        }
        let places = self.memory.places().try_acquire_many(u32::try_from(share).ok()?).ok()?;
        let mut state = self.lock();
        if state.refusal(self).is_some() {
            return None;
        }
        places.forget();
        let State { counts, queue, .. } = &mut *state;
        let mut noteworthy = false;
        for (row, share) in rows {
            counts.taken += 1;
            let size = Size { rows: 1, bytes: share as usize };
            let place = queue.push(counts.taken, row, size, &self.options, Instant::now);
            noteworthy |= place.noteworthy;
        }
        let number = counts.taken;
        drop(state);
        if noteworthy {
            self.wake.notify_one();
        }
        Some(number)
    }

    /// The places of a row that was not taken.
    pub(super) fn give_back(&self, share: u32, encoded: Option<&[u8]>) {
        self.memory.give_back(share as usize);
        if let (Some(spill), Some(bytes)) = (&self.spill, encoded) {
            spill.places.add_permits(spill.size(bytes) as usize);
        }
    }

    /// The disk has every row up to this one.
    pub(super) fn synced(&self, last: u64) {
        let mut state = self.lock();
        state.counts.synced = state.counts.synced.max(last);
        let synced = state.counts.synced;
        // The memory is for what is next; the rest is read again when its turn comes.
        let freed = state.queue.evict(synced);
        drop(state);
        self.memory.give_back(freed);
        self.tell();
    }
}

impl<T> State<T> {
    fn put_to_work(&mut self, rows: Vec<T>) {
        let Some(batch) = self.queue.take() else { return };
        self.work = Some(Work::new(&batch, rows));
    }

    fn refusal(&self, shared: &Shared<T>) -> Option<Error> {
        if self.refuses { Some(shared.closed_error()) } else { self.counts.halted.clone() }
    }
}

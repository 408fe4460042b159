//! The batch under way, and the one behind it.

use super::{Shared, State};
use crate::batcher::work::{Counts, Insertion, Next, Work};
use std::sync::Arc;

impl<T> Shared<T> {
    /// The first part of the batch under way.
    pub(in crate::batcher) fn insertion(&self) -> Option<Insertion<T>> {
        self.lock().work.as_ref()?.insertion()
    }

    /// The whole batch behind the one under way, once it is full, where it takes so many bytes.
    pub(in crate::batcher) fn follow(&self, bytes: usize) -> Option<Insertion<T>> {
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
    pub(in crate::batcher) fn begin(&self) -> Next {
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
    pub(in crate::batcher) fn begin_with(&self, rows: Vec<T>) {
        let mut state = self.lock();
        if state.work.is_none() {
            state.put_to_work(rows);
        }
    }

    /// Notes that the part is on its way; gives whether it was known not to be stored.
    pub(in crate::batcher) fn begin_attempt(&self) -> bool {
        self.with_work(|work| !std::mem::replace(&mut work.unknown, true)).unwrap_or(true)
    }

    /// Notes that the attempt was certainly not applied.
    pub(in crate::batcher) fn not_applied(&self) {
        self.with_work(|work| work.unknown = false);
    }

    fn with_work<R>(&self, change: impl FnOnce(&mut Work<T>) -> R) -> Option<R> {
        self.lock().work.as_mut().map(change)
    }

    pub(in crate::batcher) fn split(&self) {
        self.with_work(|work| {
            work.tainted |= std::mem::take(&mut work.unknown);
            work.parts.split();
        });
    }

    pub(in crate::batcher) fn part_stored(&self) {
        let rows = self.part_done(|counts, rows, _| counts.stored += rows);
        self.meter.stored(rows);
    }

    pub(in crate::batcher) fn part_refused(&self) {
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
}

impl<T> State<T> {
    fn put_to_work(&mut self, rows: Vec<T>) {
        let Some(batch) = self.queue.take() else { return };
        self.work = Some(Work::new(&batch, rows));
    }
}

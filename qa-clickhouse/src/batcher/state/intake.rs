//! How rows come in: into memory, and onto the disk.

use super::{Shared, State};
use crate::batcher::PushError;
use crate::batcher::queue::Size;
use tokio::time::Instant;

impl<T: Send + 'static> Shared<T> {
    /// Takes a chunk for which there is memory, and a place on the disk where it was encoded for that.
    /// Gives the number of its last row.
    pub(in crate::batcher) fn take(
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
    pub(in crate::batcher) fn share(&self, chunk: &T) -> u32 {
        self.memory.share(self.kind.bytes(chunk))
    }

    /// Takes rows at once, each with what it takes of the memory, which is `share` for all: either all of
    /// them or, where they have to wait or there is more to be done with them, none. Gives the number of
    /// the last.
    pub(in crate::batcher) fn take_now(
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
    pub(in crate::batcher) fn give_back(&self, share: u32, encoded: Option<&[u8]>) {
        self.memory.give_back(share as usize);
        if let (Some(spill), Some(bytes)) = (&self.spill, encoded) {
            spill.places.add_permits(spill.size(bytes) as usize);
        }
    }

    /// The disk has every row up to this one.
    pub(in crate::batcher) fn synced(&self, last: u64) {
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

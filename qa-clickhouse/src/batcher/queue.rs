//! Which rows go into which batch, and when a batch is due. Pure: the clock is given.

use super::BatchOptions;
use std::collections::VecDeque;
use tokio::time::Instant;

/// When there is something to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    At(Instant),
    WhenWoken,
}

/// Rows that are inserted together. Once it is sealed its rows never change.
pub(super) struct Batch<T> {
    pub(super) number: u64,
    /// The chunks that have its rows. `None` where they are on the disk alone.
    pub(super) rows: Option<Vec<T>>,
    /// How many rows it has.
    pub(super) count: usize,
    /// Bytes in memory, that is.
    pub(super) bytes: usize,
    pub(super) sealed: bool,
    /// The number of its last row.
    pub(super) last: u64,
    /// The identity of who took the rows; part of the batch's token.
    pub(super) id: u128,
    since: Instant,
}

/// Batches in order: the last is open until it is full, or old, or somebody wants it stored.
pub(super) struct Queue<T> {
    batches: VecDeque<Batch<T>>,
    /// Memory of a batch that is done, for the next.
    spare: Vec<T>,
    next: u64,
    id: u128,
}

/// What a chunk takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// Where a chunk went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) batch: u64,
    /// It began a batch, or made one full: who waits has to look again.
    pub(super) noteworthy: bool,
}

impl<T> Queue<T> {
    /// An empty one, whose batches count from `next`.
    pub(super) fn new(id: u128, next: u64) -> Self {
        Self { batches: VecDeque::new(), spare: Vec::new(), next, id }
    }

    /// A batch that was there before us.
    pub(super) fn restore(&mut self, number: u64, id: u128, count: usize, now: Instant) {
        let (bytes, since) = (0, now);
        let batch = Batch { number, rows: None, count, bytes, sealed: true, last: 0, id, since };
        self.batches.push_back(batch);
    }

    /// Takes a chunk, whose last row has this number, which grows with each. The clock is asked where a
    /// batch begins.
    pub(super) fn push(
        &mut self,
        number: u64,
        chunk: T,
        size: Size,
        limits: &BatchOptions,
        now: impl FnOnce() -> Instant,
    ) -> Place {
        // A chunk that would make it too large begins the next.
        if let Some(open) = self.open()
            && (open.bytes.saturating_add(size.bytes) > limits.max_bytes
                || open.count.saturating_add(size.rows) > limits.max_rows)
        {
            open.sealed = true;
        }
        let fresh = self.open().is_none();
        if fresh {
            self.begin(now());
        }
        let Some(open) = self.open() else { unreachable!("there is one by now") };
        open.rows.get_or_insert_default().push(chunk);
        open.last = number;
        open.count += size.rows;
        open.bytes += size.bytes;
        open.sealed = open.count >= limits.max_rows || open.bytes >= limits.max_bytes;
        Place { batch: open.number, noteworthy: fresh || open.sealed }
    }

    fn begin(&mut self, now: Instant) {
        let batch = Batch {
            number: self.next,
            rows: Some(std::mem::take(&mut self.spare)),
            count: 0,
            bytes: 0,
            sealed: false,
            last: 0,
            id: self.id,
            since: now,
        };
        self.batches.push_back(batch);
        self.next += 1;
    }

    fn open(&mut self) -> Option<&mut Batch<T>> {
        self.batches.back_mut().filter(|batch| !batch.sealed)
    }

    /// The chunk that the next one would stand behind, in one batch.
    pub(super) fn last(&self) -> Option<&T> {
        self.batches.back().filter(|batch| !batch.sealed)?.rows.as_ref()?.last()
    }

    pub(super) fn is_open(&self) -> bool {
        self.batches.back().is_some_and(|batch| !batch.sealed)
    }

    /// The open batch is to be stored as it is.
    pub(super) fn seal(&mut self) {
        if let Some(open) = self.open() {
            open.sealed = true;
        }
    }

    pub(super) fn due(&self, limits: &BatchOptions, now: Instant) -> Due {
        let Some(first) = self.batches.front() else { return Due::WhenWoken };
        if first.sealed {
            return Due::Now;
        }
        // An age that never comes is none.
        match first.since.checked_add(limits.max_age) {
            None => Due::WhenWoken,
            Some(at) if at <= now => Due::Now,
            Some(at) => Due::At(at),
        }
    }

    pub(super) fn take(&mut self) -> Option<Batch<T>> {
        self.batches.pop_front()
    }

    /// The batch that is next, which is sealed by that.
    pub(super) fn first(&mut self) -> Option<&mut Batch<T>> {
        let first = self.batches.front_mut()?;
        first.sealed = true;
        Some(first)
    }

    /// The batch that is next, where it will not change any more and its rows are here.
    pub(super) fn full(&self) -> Option<&Batch<T>> {
        self.batches.front().filter(|batch| batch.sealed && batch.rows.is_some())
    }

    /// Lets go of the batches that are not next and that the disk has, which is every row up to
    /// `synced`; gives the bytes that are free.
    pub(super) fn evict(&mut self, synced: u64) -> usize {
        let mut freed = 0;
        let waiting = self.batches.iter_mut().skip(1);
        for batch in waiting.filter(|batch| batch.sealed && batch.last <= synced) {
            if batch.rows.take().is_some() {
                freed += std::mem::take(&mut batch.bytes);
            }
        }
        freed
    }

    /// Keeps the memory of a batch that is done for the next, as long as there are batches.
    pub(super) fn reuse(&mut self, mut rows: Vec<T>) {
        rows.clear();
        self.spare = if self.batches.is_empty() { Vec::new() } else { rows };
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Batch<T>> {
        self.batches.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn limits(max_rows: usize, max_bytes: usize) -> BatchOptions {
        BatchOptions {
            max_rows,
            max_bytes,
            max_age: Duration::from_secs(1),
            ..BatchOptions::default()
        }
    }

    proptest! {
        #[test]
        fn rows_stay_in_order_and_no_batch_is_above_its_limits(
            sizes in prop::collection::vec((1usize..5, 1usize..50), 0..200),
            max_rows in 1usize..20, max_bytes in 1usize..200, seals in prop::collection::btree_set(0usize..200, 0..20),
        ) {
            let (limits, now) = (limits(max_rows, max_bytes), Instant::now());
            let mut queue = Queue::new(0, 5);
            for (row, (rows, bytes)) in sizes.iter().enumerate() {
                let size = Size { rows: *rows, bytes: *bytes };
                queue.push(row as u64, row, size, &limits, || now);
                if seals.contains(&row) {
                    queue.seal();
                }
            }
            let batches: Vec<_> = queue.drain().collect();
            for (at, batch) in batches.iter().enumerate() {
                prop_assert_eq!(batch.number, 5 + at as u64);
                let rows = batch.rows.as_ref().unwrap();
                let count: usize = rows.iter().map(|row| sizes[*row].0).sum();
                let bytes: usize = rows.iter().map(|row| sizes[*row].1).sum();
                prop_assert_eq!((count, bytes), (batch.count, batch.bytes));
                prop_assert!(batch.count <= max_rows || rows.len() == 1);
                prop_assert!(batch.bytes <= max_bytes || rows.len() == 1, "one may be larger");
            }
            let rows: Vec<_> = batches.into_iter().flat_map(|batch| batch.rows.unwrap()).collect();
            prop_assert_eq!(rows, (0..sizes.len()).collect::<Vec<_>>());
        }
    }

    const ONE: Size = Size { rows: 1, bytes: 1 };

    #[test]
    fn a_batch_is_due_when_it_is_full_or_sealed_or_old() {
        let (limits, now) = (limits(2, 100), Instant::now());
        let mut queue = Queue::new(0, 1);
        assert_eq!(queue.due(&limits, now), Due::WhenWoken);
        assert_eq!(queue.push(1, 'a', ONE, &limits, || now), Place { batch: 1, noteworthy: true });
        let age = limits.max_age;
        assert_eq!(queue.due(&limits, now), Due::At(now + age));
        assert_eq!(queue.due(&limits, now + age), Due::Now);
        assert_eq!(queue.push(2, 'b', ONE, &limits, || now), Place { batch: 1, noteworthy: true });
        assert_eq!(queue.due(&limits, now), Due::Now);
        assert_eq!(queue.take().unwrap().rows.unwrap(), ['a', 'b']);
        queue.push(3, 'c', ONE, &limits, || now + age);
        assert_eq!(queue.due(&limits, now + age), Due::At(now + 2 * age), "its own age");
        queue.seal();
        assert_eq!(queue.due(&limits, now + age), Due::Now);
        let never = BatchOptions { max_age: Duration::MAX, ..limits };
        queue.take();
        queue.push(4, 'd', ONE, &never, || now);
        assert_eq!(queue.due(&never, now), Due::WhenWoken);
    }

    #[test]
    fn only_what_the_disk_has_and_what_is_not_next_is_let_go() {
        let (limits, now) = (limits(1, 100), Instant::now());
        let mut queue = Queue::new(0, 1);
        for row in 1..=4 {
            queue.push(row, row, Size { bytes: 10, ..ONE }, &limits, || now);
        }
        assert_eq!(queue.evict(0), 0);
        assert_eq!(queue.evict(3), 20);
        assert_eq!(queue.evict(3), 0);
        let here: Vec<_> = queue.drain().map(|batch| batch.rows.is_some()).collect();
        assert_eq!(here, [true, false, false, true]);
    }
}

//! How a batcher cuts its batches, and how they are inserted.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Rows in one insert at the most: the server cuts a longer one into several blocks.
const MOST_ROWS: usize = 1_000_000;

/// How a batch goes into its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InsertMode {
    /// As one block under one token: done again, it is stored once. Parts of a table are made of
    /// batches, so they should be large.
    #[default]
    Block,
    /// Into the server's own buffer (`async_insert`), which gathers the small batches of many
    /// writers, and with an answer once the buffer is stored (`wait_for_async_insert`). Where the
    /// answer is lost and the batch is inserted again, only a replicated table stores it once.
    Async,
}

/// How a [`Batcher`](crate::Batcher) cuts its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Rows at which a batch is inserted, from 1 to 1,000,000. Default: 10,000.
    pub max_rows: usize,
    /// Bytes at which a batch is inserted, as its rows take them in memory; at most `capacity`. Default:
    /// 16 MiB.
    pub max_bytes: usize,
    /// Age of its oldest row at which a batch is inserted. Default: 1 s.
    pub max_age: Duration,
    /// Bytes of rows that are held in memory at the most, those of the insert under way included: a
    /// push waits beyond that. A row that is larger takes all of it. Default: 64 MiB.
    pub capacity: usize,
    /// How a batch goes into its table. Default: as a block.
    pub mode: InsertMode,
    /// Whether the servers of a group of several share what they know of tokens, as the replicas of a
    /// `Replicated…` table do. A batch of which it is not known whether it is stored is then inserted
    /// again on any of them; otherwise only where it may be stored already, however long that server
    /// takes to come back. Default: false.
    pub replicated: bool,
    /// Rows of one batch that may go to the dead letters; one more halts the batcher, because it is
    /// then the table that fits none of them. Default: 100.
    pub max_refused: usize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            max_rows: 10_000,
            max_bytes: 16 << 20,
            max_age: Duration::from_secs(1),
            capacity: 64 << 20,
            mode: InsertMode::Block,
            replicated: false,
            max_refused: 100,
        }
    }
}

impl BatchOptions {
    /// With values that make sense together.
    pub(super) fn bounded(mut self) -> Self {
        self.max_rows = self.max_rows.clamp(1, MOST_ROWS);
        self.capacity = self.capacity.clamp(1, Semaphore::MAX_PERMITS);
        self.max_bytes = self.max_bytes.clamp(1, self.capacity.min(u32::MAX as usize));
        self
    }
}

/// Memory that several batchers share: their rows take no more than this together. Cheap to clone;
/// all clones are the same memory.
#[derive(Clone, Debug)]
pub struct BatchMemory {
    places: Arc<Semaphore>,
    capacity: usize,
}

impl BatchMemory {
    /// So many bytes of rows, at least 1.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(capacity)), capacity }
    }

    /// Bytes that are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }

    pub(super) fn places(&self) -> &Semaphore {
        &self.places
    }

    /// What a row of so many bytes takes: a row that is larger than the memory takes all of it.
    pub(super) fn share(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.clamp(1, self.capacity)).unwrap_or(u32::MAX)
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.places.add_permits(bytes);
    }
}

//! The batch under way, and how many rows became of what.

use super::kind::{Kind, behind};
use super::parts::Parts;
use super::queue::Batch;
use qa_resource_core::Error;
use std::ops::Range;
use std::sync::Arc;

/// How many rows there are, and what became of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) taken: u64,
    pub(super) stored: u64,
    pub(super) refused: u64,
    pub(super) handed_back: u64,
    /// Rows up to this one are on the disk, where there is one.
    pub(super) synced: u64,
    pub(super) halted: Option<Error>,
}

impl Counts {
    pub(super) fn settled(&self) -> u64 {
        self.stored + self.refused
    }

    pub(super) fn pending(&self) -> u64 {
        self.taken - self.settled() - self.handed_back
    }
}

/// The batch under way.
pub(super) struct Work<T> {
    pub(super) batch: u64,
    /// The chunks that have its rows.
    pub(super) rows: Arc<Vec<T>>,
    pub(super) parts: Parts,
    total: usize,
    pub(super) token: String,
    /// What its rows take of the memory.
    pub(super) bytes: usize,
    pub(super) refused: usize,
    /// Whether the first part may be stored already.
    pub(super) unknown: bool,
    /// Whether any row that is left may be.
    pub(super) tainted: bool,
}

impl<T> Work<T> {
    /// The whole batch, of which nothing was tried yet.
    pub(super) fn new(batch: &Batch<T>, rows: Vec<T>) -> Self {
        Self {
            batch: batch.number,
            parts: Parts::whole(batch.count),
            total: batch.count,
            rows: Arc::new(rows),
            token: format!("qa-{:032x}-{}", batch.id, batch.number),
            bytes: batch.bytes,
            refused: 0,
            unknown: false,
            tainted: false,
        }
    }

    /// The same, of a batch whose rows are here.
    pub(super) fn of(mut batch: Batch<T>) -> Option<Self> {
        let rows = batch.rows.take()?;
        Some(Self::new(&batch, rows))
    }

    pub(super) fn insertion(&self) -> Option<Insertion<T>> {
        let part = self.parts.first()?;
        let token = self.parts.token(&self.token, &part);
        Some(Insertion { rows: Arc::clone(&self.rows), part, token, refused: self.refused })
    }

    /// How many of the rows that are left may be stored.
    pub(super) fn unknown(&self) -> usize {
        match (self.tainted, self.unknown) {
            (true, _) => self.parts.rows(),
            (false, true) => self.parts.first().map_or(0, |part| part.len()),
            (false, false) => 0,
        }
    }

    /// The rows that are left, in order.
    pub(super) fn into_left(self, kind: &dyn Kind<T>) -> impl Iterator<Item = T> {
        let settled = self.total - self.parts.rows();
        behind(kind, Arc::into_inner(self.rows).into_iter().flatten(), settled)
    }
}

/// What is to be inserted next: the same rows under the same token for as long as it takes.
pub(super) struct Insertion<T> {
    pub(super) rows: Arc<Vec<T>>,
    pub(super) part: Range<usize>,
    pub(super) token: String,
    /// Rows of its batch that were refused.
    pub(super) refused: usize,
}

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    UnderWay,
    /// The disk is still writing it.
    Unsynced,
    /// Its rows have to be read from the disk first.
    OnDisk(u64),
    Nothing,
}

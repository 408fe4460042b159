//! What a batcher hands back.

use qa_resource_core::Error;
use std::fmt;

/// A row that was not taken, and why.
pub struct PushError<T> {
    /// The row. `None` where it was taken and the batcher was closed before the disk had it: the
    /// close hands it back.
    pub row: Option<T>,
    /// Why it was not taken.
    pub error: Error,
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the row was not taken: {}", self.error)
    }
}

impl<T> std::error::Error for PushError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Rows that were not taken, and why. Those before them were.
pub struct PushAllError<T> {
    /// The rows, in order.
    pub rows: Vec<T>,
    /// How many rows those are; record batches have many each.
    pub left: u64,
    /// Why they were not taken.
    pub error: Error,
}

impl<T> fmt::Debug for PushAllError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows: _, left, error } = self;
        f.debug_struct("PushAllError").field("left", left).field("error", error).finish()
    }
}

impl<T> fmt::Display for PushAllError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows were not taken: {}", self.left, self.error)
    }
}

impl<T> std::error::Error for PushAllError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl<T> From<PushAllError<T>> for Error {
    fn from(refused: PushAllError<T>) -> Self {
        refused.error
    }
}

impl<T> From<PushError<T>> for Error {
    fn from(refused: PushError<T>) -> Self {
        refused.error
    }
}

/// How a batcher ended.
pub struct BatchReport<T> {
    /// Rows that are stored.
    pub stored: u64,
    /// Rows that were refused for what is in them, and went to the dead letters.
    pub refused: u64,
    /// How many of the rows that are left, from the first, may be stored too: their insert was under
    /// way, or its answer was lost.
    pub unknown: usize,
    /// The rows that are not known to be stored, in order. With a spill only those that the disk has
    /// not.
    pub rows: Vec<T>,
    /// How many rows those are; record batches have many each.
    pub left: u64,
    /// How many rows are on the disk and not known to be stored, for the next batcher on its folder.
    pub spilled: u64,
    /// Why they are not.
    pub cause: Option<Error>,
}

impl<T> BatchReport<T> {
    /// Whether every row is stored, or was refused.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.rows.is_empty() && self.spilled == 0
    }
}

impl<T> fmt::Debug for BatchReport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, refused, unknown, rows: _, left, spilled, cause } = self;
        f.debug_struct("BatchReport")
            .field("stored", stored)
            .field("refused", refused)
            .field("unknown", unknown)
            .field("left", left)
            .field("spilled", spilled)
            .field("cause", cause)
            .finish()
    }
}

impl<T> fmt::Display for BatchReport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, refused, unknown, rows: _, left, spilled, cause } = self;
        write!(f, "{stored} rows stored, {refused} refused, ")?;
        write!(f, "{left} left, {spilled} on the disk, {unknown} of them unknown")?;
        cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

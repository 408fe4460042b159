//! What a batcher hands back.

use qa_resource_core::Error;
use std::fmt;

/// A row that was not taken, and why.
pub struct PushError<T> {
    /// The row.
    pub row: T,
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

impl<T> From<PushError<T>> for Error {
    fn from(refused: PushError<T>) -> Self {
        refused.error
    }
}

/// How a batcher ended.
pub struct BatchReport<T> {
    /// Rows that are stored.
    pub stored: u64,
    /// How many of [`rows`](Self::rows), from the first, may be stored too: their insert was under
    /// way, or its answer was lost.
    pub unknown: usize,
    /// The rows that are not known to be stored, in order.
    pub rows: Vec<T>,
    /// Why they are not.
    pub cause: Option<Error>,
}

impl<T> BatchReport<T> {
    /// Whether every row is stored.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.rows.is_empty()
    }
}

impl<T> fmt::Debug for BatchReport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, unknown, rows, cause } = self;
        f.debug_struct("BatchReport")
            .field("stored", stored)
            .field("unknown", unknown)
            .field("rows", &rows.len())
            .field("cause", cause)
            .finish()
    }
}

impl<T> fmt::Display for BatchReport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, unknown, rows, cause } = self;
        write!(f, "{stored} rows stored, {} left, {unknown} of them unknown", rows.len())?;
        cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

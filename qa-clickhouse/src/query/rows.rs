//! Rows as they come.

use super::running::Running;
use clickhouse::query::{Query as DriverQuery, RowCursor};
use clickhouse::{RowOwned, RowRead};
use futures_util::StreamExt;
use qa_resource_core::Result;
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

/// The rows of an answer, one by one; of [`Query::rows`](crate::Query::rows).
///
/// An error that the server meets in the middle comes after the rows before it; a stream that ends
/// without one is whole. Dropped before its end, the server is told to end the query.
pub struct RowStream<T> {
    cursor: RowCursor<T>,
    running: Running,
}

impl<T: RowOwned + RowRead> RowStream<T> {
    pub(super) fn new((mut running, query): (Running, DriverQuery)) -> Result<Self> {
        let cursor = query.fetch::<T>().map_err(|error| running.failed(error))?;
        Ok(Self { cursor, running })
    }

    /// The next row. `None` after the last one.
    ///
    /// # Errors
    /// The server's error with its code and words, `Timeout` where the query's limit ran out, `Connect`
    /// where the connection broke. Nothing follows after one.
    ///
    /// # Cancel safety
    /// No row is lost where this is dropped.
    pub async fn next(&mut self) -> Result<Option<T>> {
        // Most rows are there already, and are worth less than the futures that a wait takes.
        let ready = poll_fn(|context| Poll::Ready(self.cursor.poll_next_unpin(context))).await;
        let row = match ready {
            Poll::Ready(Some(Ok(row))) => return Ok(Some(row)),
            Poll::Ready(Some(Err(error))) => return Err(self.running.failed(error)),
            Poll::Ready(None) => None,
            Poll::Pending => self.running.step(self.cursor.next()).await?,
        };
        if row.is_none() {
            self.running.finish(None, 0);
        }
        Ok(row)
    }

    /// The `query_id` under which the server knows the query.
    #[must_use]
    pub fn id(&self) -> &str {
        self.running.id()
    }

    /// Bytes that have come over the network.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.cursor.received_bytes()
    }
}

impl<T> fmt::Debug for RowStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("id", &self.running.id()).finish_non_exhaustive()
    }
}

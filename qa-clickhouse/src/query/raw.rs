//! An answer in a format of the server's, as it comes.

use super::Summary;
use super::running::Running;
use bytes::Bytes;
use clickhouse::query::{BytesCursor, Query as DriverQuery};
use qa_resource_core::Result;
use std::fmt;
use std::io;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// The bytes of an answer; of [`Query::bytes`](crate::Query::bytes).
///
/// An error that the server meets in the middle comes after the bytes before it; a stream that ends
/// without one is whole. Dropped before its end, the server is told to end the query.
pub struct RawStream {
    cursor: BytesCursor,
    running: Running,
    summary: Option<Summary>,
}

impl RawStream {
    pub(crate) fn new((mut running, query): (Running, DriverQuery), format: &str) -> Result<Self> {
        let cursor = query.fetch_bytes(format).map_err(|error| running.failed(error))?;
        Ok(Self { cursor, running, summary: None })
    }

    /// The next bytes. `None` after the last ones.
    ///
    /// # Errors
    /// The server's error with its code and words, `Timeout` where the query's limit ran out, `Connect`
    /// where the connection broke. Nothing follows after one.
    ///
    /// # Cancel safety
    /// No byte is lost where this is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let bytes = self.running.step(self.cursor.next()).await?;
        if bytes.is_none() {
            let Self { cursor, running, summary } = self;
            *summary = Some(running.finish(cursor.summary(), cursor.received_bytes()));
        }
        Ok(bytes)
    }

    /// The `query_id` under which the server knows the query.
    #[must_use]
    pub fn id(&self) -> &str {
        self.running.id()
    }

    /// What the query has done. `None` before the end.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    pub(crate) fn into_summary(self) -> Summary {
        self.summary.unwrap_or_default()
    }

    /// Writes what is left to `writer`, and flushes it.
    ///
    /// # Errors
    /// As [`next`](Self::next), and `Operation` where the writer fails.
    ///
    /// # Cancel safety
    /// Where this is dropped, the server is told to end the query; a part of the answer is written.
    pub async fn write_to<W>(mut self, writer: &mut W) -> Result<Summary>
    where
        W: AsyncWrite + Unpin + Send,
    {
        while let Some(bytes) = self.next().await? {
            writer.write_all(&bytes).await.map_err(|error| self.unwritten(&error))?;
        }
        writer.flush().await.map_err(|error| self.unwritten(&error))?;
        Ok(self.into_summary())
    }

    fn unwritten(&self, error: &io::Error) -> qa_resource_core::Error {
        self.running.error(format!("writing the answer of {}: {error}", self.id()))
    }
}

impl fmt::Debug for RawStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawStream").field("id", &self.running.id()).finish_non_exhaustive()
    }
}

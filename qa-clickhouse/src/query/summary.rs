//! What a query has read and written, in the server's words.

use clickhouse::QuerySummary;
use std::time::Duration;

/// What a query has done.
///
/// The server tells it with the head of its answer: of what is answered at once (a statement, an
/// insert, an aggregate) that is all of it, of a stream what was read until its first rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The `query_id` under which the server knows it.
    pub id: String,
    /// Rows read from tables.
    pub read_rows: u64,
    /// Bytes read from tables, uncompressed.
    pub read_bytes: u64,
    /// Rows that there were to read.
    pub total_rows: u64,
    /// Rows written to tables.
    pub written_rows: u64,
    /// Bytes written to tables, uncompressed.
    pub written_bytes: u64,
    /// Bytes of the answer, as they came over the network.
    pub received_bytes: u64,
    /// From sending it to the end of its answer, as seen from here.
    pub elapsed: Duration,
}

impl Summary {
    pub(super) fn new(
        id: &str,
        server: Option<&QuerySummary>,
        received_bytes: u64,
        elapsed: Duration,
    ) -> Self {
        let figure = |read: fn(&QuerySummary) -> Option<u64>| server.and_then(read).unwrap_or(0);
        Self {
            id: id.to_owned(),
            read_rows: figure(QuerySummary::read_rows),
            read_bytes: figure(QuerySummary::read_bytes),
            total_rows: figure(QuerySummary::total_rows_to_read),
            written_rows: figure(QuerySummary::written_rows),
            written_bytes: figure(QuerySummary::written_bytes),
            received_bytes,
            elapsed,
        }
    }
}

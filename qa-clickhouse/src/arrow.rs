//! Answers and inserts in columns, as Arrow record batches.
//!
//! What the server makes of its types: numbers up to 64 bits, `Decimal`, `DateTime64`
//! with its zone, `String` and `Array` are Arrow's own; `Date` and `DateTime` may be bare numbers, by the
//! server's version and settings; `LowCardinality` is what it is of, `Nullable` a
//! column that may be null, `Enum8` and `Enum16` their numbers, `IPv4` a `UInt32`; `UUID`, `IPv6` and the
//! integers of 128 and 256 bits are binary of a fixed size. A `String` that is not UTF-8 is an error;
//! with the setting `output_format_arrow_string_as_string` at 0 strings are binary. A type that Arrow
//! can't hold is refused by the server, which names the column.

pub use arrow_array;

use crate::batcher::{How, one_block};
use crate::query::{Attempts, Running};
use crate::{ClickHouse, InsertMode, Query};
use arrow_array::RecordBatch;
use clickhouse::Client;
use clickhouse::error::Result as DriverResult;
use clickhouse::query::Query as DriverQuery;
use clickhouse_ext_arrow::{ArrowClientExt, ArrowCursor, ArrowQueryExt};
use qa_resource_core::{Group, Result};
use std::fmt;

/// The batches of an answer, as they come; of [`Query::arrow`].
///
/// An error that the server meets in the middle comes after the batches before it; a stream that ends
/// without one is whole. Dropped before its end, the server is told to end the query.
pub struct ArrowStream {
    cursor: ArrowCursor,
    running: Running,
}

impl Query {
    /// The answer in columns: Arrow record batches, as they come.
    ///
    /// # Errors
    /// As [`execute`](Self::execute) before anything is sent; the server's come with the batches.
    ///
    /// # Cancel safety
    /// Nothing was sent where this is dropped.
    pub async fn arrow(self) -> Result<ArrowStream> {
        ArrowStream::new(Attempts::new(self).send().await?)
    }
}

impl ArrowStream {
    pub(crate) fn new((mut running, query): (Running, DriverQuery)) -> Result<Self> {
        let cursor = query.fetch_arrow().map_err(|error| running.failed(error))?;
        Ok(Self { cursor, running })
    }

    /// The next batch. `None` after the last one.
    ///
    /// # Errors
    /// The server's error with its code and words, `Timeout` where the query's limit ran out, `Connect`
    /// where the connection broke. Nothing follows after one.
    ///
    /// # Cancel safety
    /// No batch is lost where this is dropped.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let batch = self.running.step(self.cursor.next()).await?;
        if batch.is_none() {
            self.running.finish(None, 0);
        }
        Ok(batch)
    }

    /// Every batch that is left, in memory.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    /// What was read is lost where this is dropped, and the server is told to end the query.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        Ok(batches)
    }

    /// The `query_id` under which the server knows the query.
    #[must_use]
    pub fn id(&self) -> &str {
        self.running.id()
    }
}

impl fmt::Debug for ArrowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrowStream").field("id", &self.running.id()).finish_non_exhaustive()
    }
}

/// Inserts record batches into a table of the resource's database, by the names of their columns, as one
/// block.
///
/// It is tried again within the group's `operation_timeout` where the outcome is unknown, under the same
/// token: the server stores the batches once, if the table keeps track of that (see
/// [`Batcher`](crate::Batcher)); on any other table they may be stored twice.
///
/// # Errors
/// As [`Group::run_idempotent`]; the server names the column whose type does not fit.
///
/// # Cancel safety
/// Where this is dropped, the batches may be stored or not.
pub async fn insert_batches(
    group: &Group<ClickHouse>,
    table: &str,
    batches: &[RecordBatch],
) -> Result<()> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows == 0 {
        return Ok(());
    }
    let token = format!("qa-{:032x}", fastrand::u128(..));
    let token = token.as_str();
    group
        .run_idempotent(|lease| async move { insert(&lease, table, batches, rows, token).await })
        .await
}

async fn insert(
    client: &Client,
    table: &str,
    batches: &[RecordBatch],
    rows: usize,
    token: &str,
) -> DriverResult<()> {
    let how = How { table, token, mode: InsertMode::Block, checked: true };
    let mut insert = one_block(client, rows, how).insert_arrow(table)?;
    for batch in batches {
        insert.write(batch).await?;
    }
    insert.end().await
}

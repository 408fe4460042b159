//! Answers and inserts as polars `DataFrame`s.
//!
//! [`DataFrame`] is that of the crate `polars`, in the version of [`polars_core`] here. What the server's types
//! become:
//!
//! | type | in a `DataFrame` |
//! |---|---|
//! | `Bool`, integers of up to 128 bits, `Float32`, `Float64` | the same |
//! | `Decimal` of up to 38 digits | `Decimal` |
//! | `Date`, `Date32` | `Date` |
//! | `DateTime`, `DateTime64` | `Datetime` in ms, µs or ns, in the type's zone, without one in UTC |
//! | `String`, `Enum8`, `Enum16`, `UUID`, `IPv4`, `IPv6` | `String`, as the server writes them |
//! | `FixedString` | `Binary` |
//! | `Nullable`, `LowCardinality`, `SimpleAggregateFunction` | what they are of |
//! | `Array` | `List` of what it is of |
//!
//! Any other (integers of 256 bits, `Decimal` of more digits, `Map`, `Tuple`, `JSON`) is an error that names the
//! column, before anything is read: select `toString(column)` in its place. On the way in the server makes
//! of these what the table's columns are of, by name; a text becomes an `Enum`, a `UUID` or an address.

mod kinds;
mod read;
mod text;
mod write;

pub use polars_core;
pub use write::{insert_dataframe, to_batches};

use crate::Query;
use crate::arrow::ArrowStream;
use crate::query::{Attempts, Described};
use kinds::Column;
use polars_core::prelude::DataFrame;
use qa_resource_core::{Error, ErrorKind, Result};
use std::time::Instant;

impl Query {
    /// The answer as a `DataFrame`, in memory.
    ///
    /// The server is asked for the columns' types first (`DESCRIBE`), so the query has to be a `SELECT`.
    /// An answer without rows has its columns too.
    ///
    /// ```no_run
    /// use qa_clickhouse::Queries;
    ///
    /// # async fn example(queries: Queries) -> qa_resource_core::Result<()> {
    /// let query = queries.query("SELECT date, close FROM bars WHERE code = {code:String}");
    /// let bars = query.param("code", "000001").dataframe().await?;
    /// println!("{} bars", bars.height());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`execute`](Self::execute); `Operation` with the column's name where it has a type that a
    /// `DataFrame` has not, before anything is read.
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    pub async fn dataframe(self) -> Result<DataFrame> {
        let began = Instant::now();
        let name = self.group().name().to_owned();
        let refused = |message: String| Error::new(ErrorKind::Operation, name.as_str(), message);
        let columns = self
            .describe()
            .await?
            .into_iter()
            .map(|Described { name, kind }| Column::new(name, &kind).map_err(refused));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut attempts = Attempts::reading(self.since(began));
        loop {
            let done = async {
                let mut stream = ArrowStream::new(attempts.send().await?)?;
                let mut all = kinds::empty(&columns);
                while let Some(batch) = stream.next().await? {
                    let frame = read::frame(&columns, &batch);
                    let stacked = frame.and_then(|frame| all.vstack_mut_owned(frame).map(drop));
                    stacked.map_err(|error| refused(error.to_string()))?;
                }
                Ok(all)
            };
            match done.await {
                Ok(frame) => return Ok(frame),
                Err(error) => attempts.again(error).await?,
            }
        }
    }
}

//! Inserts in batches, without losing a row.

mod ahead;
mod builder;
#[cfg(feature = "arrow")]
mod columns;
mod dead_letters;
mod fate;
mod handle;
mod insert;
mod kind;
mod options;
mod owner;
mod parts;
mod queue;
mod report;
mod size;
mod spill;
mod state;
mod taking;
mod work;
mod worker;

pub use builder::BatcherBuilder;
#[cfg(feature = "arrow")]
pub(crate) use insert::{How, one_block};
pub use options::{BatchMemory, BatchOptions, InsertMode};
pub use report::{BatchReport, PushAllError, PushError};
pub use spill::SpillOptions;

use crate::ClickHouse;
use clickhouse::{RowOwned, RowWrite};
use handle::Handle;
use kind::ByRow;
use qa_resource_core::{Group, Result};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, iter};

/// Collects rows and inserts them in batches, in the order in which they came, and keeps every row
/// until the server has said that it is stored.
///
/// A batch is inserted when it is full or old enough, by a task of the batcher's own. While the
/// resource is down, the rows wait, and pushes wait once [`capacity`](BatchOptions::capacity) is
/// reached. A batch whose insert failed, or whose outcome is unknown, is inserted again: the same
/// rows in the same order with the same `insert_deduplication_token`. The server then stores it
/// once, if the table keeps track of that: replicated tables do, and others with the setting
/// `non_replicated_deduplication_window` above zero. On any other table a row may be stored twice
/// after a failure (never zero times); a `ReplacingMergeTree` forgets the second in time.
///
/// While the server stores a batch, the rows of the next full one are on their way, over another
/// connection; it is stored after it, and is sent anew where that one failed. That is so on one server,
/// for rows, and not with [`InsertMode::Async`].
///
/// A row that the server refuses for what is in it is found by halving its batch, and goes to the
/// [dead letters](BatcherBuilder::dead_letters), where there are any. A batch of too many partitions
/// is halved until each half fits. A table that has got another column is looked at anew, once.
///
/// An error that trying again can't mend (no such table, a row that does not fit it, a missing
/// right) **halts** the batcher: it keeps its rows, and [`push`](Self::push) and
/// [`flush`](Self::flush) give the error with the server's words. A flush after that tries again;
/// [`close`](Self::close) gives the rows back.
///
/// With a [spill](BatcherBuilder::spill) the rows are on the disk as well, and outlive us. With the feature
/// `arrow`, `Batcher::columns` takes record batches in place of rows.
///
/// Cheap to clone; all clones are the same batcher. When the last one is dropped, what it holds is
/// inserted in the background, for 5 s at the most, and a warning says how many rows were lost (those
/// on the disk are not) if that was not enough, or the runtime ended before: close it. A closing resource or pool flushes it (it is
/// an outlet), after which it takes no more rows.
///
/// ```no_run
/// use qa_clickhouse::{BatchOptions, Batcher, ClickHouse, SpillOptions, clickhouse};
/// use qa_resource_core::Group;
/// use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// #[derive(clickhouse::Row, Serialize, Deserialize, Clone, Debug)]
/// struct Bar {
///     code: String,
///     close: f64,
/// }
///
/// # async fn example(bars: Group<ClickHouse>) -> Result<(), Box<dyn std::error::Error>> {
/// let batcher = Batcher::<Bar>::builder(&bars, "bars")
///     .options(BatchOptions { max_rows: 50_000, ..BatchOptions::default() })
///     .spill(SpillOptions::new("spill/bars"))
///     .dead_letters(|bar, error| {
///         println!("{bar:?} is refused: {error}");
///         async { Ok::<_, std::io::Error>(()) }
///     })
///     .start()
///     .await?;
/// batcher.push(Bar { code: "000001".into(), close: 10.5 }).await?;
/// batcher.flush().await?;
/// let report = batcher.close(Duration::from_secs(5)).await;
/// assert!(report.is_clean(), "{report}");
/// # Ok(())
/// # }
/// ```
pub struct Batcher<T: Send + Sync + 'static>(Arc<Handle<T>>);

impl<T> Batcher<T>
where
    T: RowOwned + RowWrite + Send + Sync + 'static,
{
    /// A batcher for a table of the resource's database, attached to `group`. Call it inside a
    /// Tokio runtime, which runs its task. No I/O before the first batch.
    ///
    /// # Panics
    /// Where there is no Tokio runtime.
    pub fn new(
        group: impl Into<Group<ClickHouse>>,
        table: impl Into<String>,
        options: BatchOptions,
    ) -> Self {
        Self::builder(group, table).options(options).start_in_memory()
    }

    /// Begins a batcher for a table of the resource's database, which can have more than
    /// [`new`](Self::new) gives it.
    pub fn builder(
        group: impl Into<Group<ClickHouse>>,
        table: impl Into<String>,
    ) -> BatcherBuilder<T> {
        BatcherBuilder::of(group.into(), table.into(), &ByRow)
    }
}

impl<T: Send + Sync + 'static> Batcher<T> {
    /// Hands a row over. Waits while [`capacity`](BatchOptions::capacity) is taken, and with a spill
    /// until the disk has the row.
    ///
    /// It returns as soon as the row is taken, which is before it is stored:
    /// [`flush`](Self::flush) waits for that. It waits as long as the server is away; put it in a
    /// time limit where that is too long.
    ///
    /// # Errors
    /// The batcher is halted (with the error that halted it) or closed. The row is handed back; one
    /// that was taken, but not written to the disk before the close, is handed back by that.
    ///
    /// # Cancel safety
    /// Where this is dropped before it is done, the row was not taken, and is dropped with it; with a
    /// spill it may have been taken.
    pub async fn push(&self, row: T) -> Result<(), PushError<T>> {
        let share = self.0.shared.share(&row);
        let mut last = 0;
        self.take_run(share.into(), &mut iter::once((row, share)), &mut last).await?;
        self.0.written(last).await.map_err(|error| PushError { row: None, error })
    }

    /// Hands rows over, as [`push`](Self::push) does one. With a spill they wait for the disk
    /// together.
    ///
    /// # Errors
    /// As [`push`](Self::push). The rows that were not taken are handed back; those before them are
    /// taken.
    ///
    /// # Cancel safety
    /// Where this is dropped before it is done, any number of rows from the first were taken; the
    /// others are dropped with it.
    pub async fn push_all(
        &self,
        rows: impl IntoIterator<Item = T, IntoIter: Send>,
    ) -> Result<(), PushAllError<T>> {
        let (mut rows, mut run, mut last) = (rows.into_iter(), Vec::new(), 0);
        let refused = loop {
            let share = self.gather(&mut rows, &mut run);
            if run.is_empty() {
                break None;
            }
            let mut run = run.drain(..);
            if let Err(PushError { row, error }) = self.take_run(share, &mut run, &mut last).await {
                break Some((row.into_iter().chain(run.map(|(row, _)| row)).collect(), error));
            }
        };
        let written = self.0.written(last).await;
        let (left, error): (Vec<_>, _) = match (refused, written) {
            (Some(refused), _) => refused,
            (None, Err(error)) => (Vec::new(), error),
            (None, Ok(())) => return Ok(()),
        };
        let rows: Vec<_> = left.into_iter().chain(rows).collect();
        let left = rows.iter().map(|row| self.0.shared.kind.rows(row) as u64).sum();
        Err(PushAllError { rows, left, error })
    }

    /// Inserts what is held now, without waiting for a batch to be full or old, and waits until
    /// every row that was pushed before this call is stored, or refused.
    ///
    /// It waits as long as the server is away; put it in a time limit where that is too long. On a
    /// halted batcher it tries once more.
    ///
    /// # Errors
    /// What halted the batcher. The rows are kept.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped; the insert goes on.
    pub async fn flush(&self) -> Result<()> {
        self.0.flush().await
    }

    /// How many rows are stored.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.0.shared.counts().stored
    }

    /// How many rows were refused for what is in them, and went to the dead letters.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.shared.counts().refused
    }

    /// How many rows are held: taken, not known to be stored, and not handed back.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.0.shared.counts().pending()
    }

    /// Takes no more rows, flushes for at most `limit`, ends the task, and hands back the rows that
    /// are not known to be stored. With a spill they stay on the disk, for the next batcher on its
    /// folder.
    ///
    /// # Cancel safety
    /// Where this is dropped, the batcher takes no more rows, and another close gives the rows.
    pub async fn close(&self, limit: Duration) -> BatchReport<T> {
        self.0.close(limit).await
    }
}

impl<T: Send + Sync + 'static> Clone for Batcher<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Batcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("name", &self.0.name)
            .field("counts", &self.0.shared.counts())
            .finish_non_exhaustive()
    }
}

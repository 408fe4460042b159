//! Inserts in batches, without losing a row.

mod attached;
mod insert;
mod report;
mod state;
mod worker;

pub use report::{BatchReport, PushError};

use crate::ClickHouse;
use clickhouse::{RowOwned, RowWrite};
use qa_resource_core::{Attachment, ErrorKind, Group, Result};
use state::Shared;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Rows in one insert at the most: the server cuts a longer one into several blocks.
const MOST_ROWS: usize = 1_000_000;

/// How a [`Batcher`] cuts its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Rows at which a batch is inserted, from 1 to 1,000,000. Default: 10,000.
    pub max_rows: usize,
    /// Age of its oldest row at which a batch is inserted. Default: 1 s.
    pub max_age: Duration,
    /// Rows that are held in memory at the most, those of the insert under way included: a push
    /// waits beyond that. At least `max_rows`. Default: 100,000.
    pub capacity: usize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { max_rows: 10_000, max_age: Duration::from_secs(1), capacity: 100_000 }
    }
}

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
/// An error that trying again can't mend (no such table, a row that does not fit it, a missing
/// right) **halts** the batcher: it keeps its rows, and [`push`](Self::push) and
/// [`flush`](Self::flush) give the error with the server's words. A flush after that tries again;
/// [`close`](Self::close) gives the rows back.
///
/// Cheap to clone; all clones are the same batcher. When the last one is dropped, its task ends,
/// and a warning says how many rows were lost: close it. A closing resource or pool flushes it
/// (it is an outlet), after which it takes no more rows.
pub struct Batcher<T>(Arc<Owner<T>>)
where
    T: RowOwned + RowWrite + Send + Sync + 'static;

/// The last one of these to go ends the task.
struct Owner<T> {
    name: String,
    shared: Arc<Shared<T>>,
    /// Ends the task.
    stop: CancellationToken,
    /// Fired when the task has ended, and holds no rows any more.
    ended: CancellationToken,
}

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
        let (group, table) = (group.into(), table.into());
        let max_rows = options.max_rows.clamp(1, MOST_ROWS);
        let capacity = options.capacity.max(max_rows);
        let options = BatchOptions { max_rows, capacity, ..options };
        let name = format!("batcher of {table}");
        let shared = Arc::new(Shared::new(group.name(), &table, options));
        let stop = CancellationToken::new();
        let work = worker::run(Arc::clone(&shared), group.clone(), table);
        let (stopping, ended) = (stop.clone(), CancellationToken::new());
        let at_the_end = ended.clone().drop_guard();
        tokio::spawn(async move {
            let _ = stopping.run_until_cancelled_owned(work).await;
            drop(at_the_end);
        });
        let owner = Arc::new(Owner { name, shared, stop, ended });
        let attachment: Arc<dyn Attachment> = Arc::clone(&owner) as _;
        group.attach(&attachment);
        Self(owner)
    }

    /// Hands a row over. Waits while [`capacity`](BatchOptions::capacity) rows are held.
    ///
    /// It returns as soon as the row is taken, which is before it is stored:
    /// [`flush`](Self::flush) waits for that. It waits as long as the server is away; put it in a
    /// time limit where that is too long.
    ///
    /// # Errors
    /// The batcher is halted (with the error that halted it) or closed. The row is handed back.
    ///
    /// # Cancel safety
    /// Where this is dropped before it is done, the row was not taken, and is dropped with it.
    pub async fn push(&self, row: T) -> Result<(), PushError<T>> {
        let shared = &self.0.shared;
        // As a rule there is a place, unless somebody waits for one already.
        if let Ok(permit) = shared.places.try_acquire() {
            permit.forget();
            return shared.take(row);
        }
        let mut changes = shared.changes();
        let mut place = pin!(shared.places.acquire());
        loop {
            if let Some(error) = shared.refusal() {
                return Err(PushError { row, error });
            }
            tokio::select! {
                biased;
                permit = &mut place => {
                    if let Ok(permit) = permit {
                        permit.forget();
                    }
                    return shared.take(row);
                }
                _ = changes.changed() => {}
            }
        }
    }

    /// Inserts what is held now, without waiting for a batch to be full or old, and waits until
    /// every row that was pushed before this call is stored.
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

    /// How many rows are held: taken, not known to be stored, and not handed back.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.0.shared.counts().pending()
    }

    /// Takes no more rows, flushes for at most `limit`, ends the task, and hands back the rows that
    /// are not known to be stored.
    ///
    /// # Cancel safety
    /// Where this is dropped, the batcher takes no more rows, and another close gives the rows.
    pub async fn close(&self, limit: Duration) -> BatchReport<T> {
        self.0.close(limit).await
    }
}

impl<T: Send + Sync + 'static> Owner<T> {
    async fn flush(&self) -> Result<()> {
        let mut changes = self.shared.changes();
        let target = self.shared.ask_for_flush();
        loop {
            let counts = self.shared.counts();
            if counts.stored >= target {
                return Ok(());
            }
            if let Some(error) = counts.halted {
                return Err(error);
            }
            if self.stop.is_cancelled() {
                return Err(self.shared.closed_error());
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn close(&self, limit: Duration) -> BatchReport<T> {
        self.shared.refuse_rows();
        let flushed = timeout(limit, self.flush()).await;
        self.stop.cancel();
        // At its next await, which is at once.
        self.ended.cancelled().await;
        let cause =
            match flushed {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error),
                Err(_) => Some(self.shared.error(
                    ErrorKind::Timeout,
                    format!("the rows were not stored within {limit:?}"),
                )),
            };
        self.shared.hand_back(cause)
    }
}

impl<T> Drop for Owner<T> {
    fn drop(&mut self) {
        self.stop.cancel();
        let rows = self.shared.counts().pending();
        if rows > 0 {
            tracing::warn!(batcher = %self.name, rows, "dropped with rows that were not stored");
        }
    }
}

impl<T> Clone for Batcher<T>
where
    T: RowOwned + RowWrite + Send + Sync + 'static,
{
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Batcher<T>
where
    T: RowOwned + RowWrite + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher")
            .field("name", &self.0.name)
            .field("counts", &self.0.shared.counts())
            .finish_non_exhaustive()
    }
}

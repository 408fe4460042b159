//! A batcher in the making.

use super::dead_letters::{DeadLetters, dead_letters};
use super::handle::Handle;
use super::kind::Kind;
use super::owner::Owner;
use super::spill::{Codec, Spill, SpillOptions};
use super::state::Shared;
use super::worker::{self, Worker};
use super::{BatchMemory, BatchOptions, Batcher};
use crate::ClickHouse;
use clickhouse::{RowOwned, RowRead, RowWrite};
use qa_resource_core::{Attachment, Error, ErrorKind, Group, Result};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A [`Batcher`] in the making; [`Batcher::builder`] begins one.
#[must_use = "start it"]
pub struct BatcherBuilder<T: 'static> {
    kind: &'static dyn Kind<T>,
    group: Group<ClickHouse>,
    table: String,
    options: BatchOptions,
    memory: Option<BatchMemory>,
    dead_letters: Option<DeadLetters<T>>,
    pub(super) spill: Option<(SpillOptions, Codec<T>)>,
}

impl<T: Send + Sync + 'static> BatcherBuilder<T> {
    pub(super) fn of(group: Group<ClickHouse>, table: String, kind: &'static dyn Kind<T>) -> Self {
        let options = BatchOptions::default();
        Self { kind, group, table, options, memory: None, dead_letters: None, spill: None }
    }

    /// How batches are cut. Default: [`BatchOptions::default`].
    pub fn options(mut self, options: BatchOptions) -> Self {
        self.options = options;
        self
    }

    /// Holds its rows in memory that it shares with other batchers, in place of a
    /// [`capacity`](BatchOptions::capacity) of its own: one bound for several tables.
    pub fn memory(mut self, memory: &BatchMemory) -> Self {
        self.memory = Some(memory.clone());
        self
    }

    /// Gives rows that the server refuses for what is in them to `take`, with the server's words, one
    /// by one, and goes on with the others. Without it, one such row halts the batcher.
    ///
    /// A row is gone once `take` has succeeded; where it fails, or takes longer than
    /// [`operation_timeout`](qa_resource_core::Settings::operation_timeout), the batcher halts and
    /// keeps the row. After a crash the same row may be given again.
    pub fn dead_letters<F, Fut, E>(mut self, take: F) -> Self
    where
        F: Fn(&T, &Error) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.dead_letters = Some(dead_letters(take));
        self
    }

    /// Writes rows to files too, so that our own end, a kill included, loses none that a push has
    /// taken: a push returns when the disk has its row. Rows that an earlier batcher left in the
    /// folder are inserted first, under their old tokens. While the server is away, batches wait on
    /// the disk and not in memory.
    ///
    /// Pushes one after the other wait for the disk each; [`push_all`](Batcher::push_all) and pushes
    /// side by side share the wait.
    pub fn spill(mut self, options: SpillOptions) -> Self
    where
        T: RowOwned + RowRead + RowWrite,
    {
        self.spill = Some((options, Codec::new()));
        self
    }

    /// Starts it: reads what is left in the folder of a spill, attaches the batcher to its group, and
    /// runs its task. Nothing is sent before a batch is due.
    ///
    /// # Errors
    /// `Config`: the folder of the spill can't be used, belongs to another batcher that has not left it
    /// within 6 s (one that was dropped is on its last flush), or holds rows of
    /// other columns or that are not what was written; the error names the file.
    ///
    /// # Panics
    /// Where there is no Tokio runtime.
    ///
    /// # Cancel safety
    /// Nothing is started where this is dropped.
    pub async fn start(self) -> Result<Batcher<T>> {
        let Self { kind, group, table, options, memory, dead_letters, spill } = self;
        let spill = match spill {
            None => None,
            Some((options, codec)) => {
                let folder = options.folder.display().to_string();
                let opened = Spill::open(options, codec).await;
                Some(opened.map_err(|error| {
                    let message = format!("spilling rows for {table} into {folder}: {error}");
                    Error::new(ErrorKind::Config, group.name(), message)
                })?)
            }
        };
        let options = options.bounded();
        let memory = memory.unwrap_or_else(|| BatchMemory::new(options.capacity));
        let shared = Arc::new(Shared::new((group.name(), &table), kind, options, memory, spill));
        Ok(run(shared, &group, table, dead_letters))
    }

    /// Starts one without a spill, which needs no disk and so no wait.
    pub(super) fn start_in_memory(self) -> Batcher<T> {
        let Self { kind, group, table, options, memory, dead_letters, .. } = self;
        let options = options.bounded();
        let memory = memory.unwrap_or_else(|| BatchMemory::new(options.capacity));
        let shared = Arc::new(Shared::new((group.name(), &table), kind, options, memory, None));
        run(shared, &group, table, dead_letters)
    }
}

fn run<T: Send + Sync + 'static>(
    shared: Arc<Shared<T>>,
    group: &Group<ClickHouse>,
    table: String,
    dead_letters: Option<DeadLetters<T>>,
) -> Batcher<T> {
    let name = format!("batcher of {table}");
    let worker = Worker {
        shared: Arc::clone(&shared),
        group: group.clone(),
        table,
        dead_letters,
        known: None,
        checked: true,
        unsure: None,
        ahead: None,
    };
    let writing = worker::write(Arc::clone(&shared));
    let stop = CancellationToken::new();
    let (stopping, ended) = (stop.clone(), CancellationToken::new());
    let at_the_end = ended.clone().drop_guard();
    tokio::spawn(async move {
        let work = async { tokio::join!(worker.run(), writing) };
        let _ = stopping.run_until_cancelled_owned(work).await;
        drop(at_the_end);
    });
    let owner = Arc::new(Owner { name, shared, stop, ended });
    let attachment: Arc<dyn Attachment> = Arc::clone(&owner) as _;
    group.attach(&attachment);
    Batcher(Arc::new(Handle(owner)))
}

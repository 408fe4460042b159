//! The task that inserts.

use super::ahead::Ahead;
use super::dead_letters::DeadLetters;
use super::fate::{self, Fate, Part};
use super::insert::{Columns, How, columns, unchanged};
use super::kind::pieces;
use super::queue::Due;
use super::state::Shared;
use super::work::{Insertion, Next};
use crate::ClickHouse;
use clickhouse::error::Error as DriverError;
use qa_resource_core::{
    Backend, Backoff, Error, ErrorKind, Group, Lease, Outcome, Resource, Result,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Inserts batches, one after the other, as they are due.
pub(super) struct Worker<T: 'static> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) group: Group<ClickHouse>,
    pub(super) table: String,
    pub(super) dead_letters: Option<DeadLetters<T>>,
    /// The table as it was when the driver had compared our rows with it and they were stored.
    pub(super) known: Option<Columns>,
    /// Whether the driver compares the rows with the table. It refuses a table that has got a column
    /// of which they know nothing; the server fills it.
    pub(super) checked: bool,
    /// The server on which the part under way may be stored already, where others would not know of it.
    pub(super) unsure: Option<Resource<ClickHouse>>,
    /// The next batch, where it is on its way already.
    pub(super) ahead: Option<Ahead>,
}

impl<T: Send + Sync + 'static> Worker<T> {
    /// Runs until it is dropped; every row is in `shared` at every await, so nothing is lost then.
    pub(super) async fn run(mut self) {
        loop {
            let shared = &self.shared;
            match shared.due() {
                Due::WhenWoken => shared.wake.notified().await,
                Due::At(time) => drop(timeout_at(time, shared.wake.notified()).await),
                Due::Now => self.next().await,
            }
        }
    }

    async fn next(&mut self) {
        let mut changes = self.shared.changes();
        match self.shared.begin() {
            Next::UnderWay => self.settle().await,
            Next::Unsynced => drop(changes.changed().await),
            Next::OnDisk(batch) => self.load(batch).await,
            Next::Nothing => {}
        }
    }

    async fn load(&self, batch: u64) {
        let Some(spill) = &self.shared.spill else { return };
        match spill.load(batch).await {
            Ok(rows) => self.shared.begin_with(rows),
            Err(error) => {
                let message = format!("reading rows from {}: {error}", spill.path.display());
                self.shared.halt(self.shared.error(ErrorKind::Operation, message));
            }
        }
    }

    /// Inserts the batch under way until all of it is stored or refused, or nothing helps.
    async fn settle(&mut self) {
        let settings = self.group.settings();
        let backoff = Backoff::new(settings.backoff_floor, settings.backoff_cap);
        let (mut delay, mut relearnt) = (None, false);
        while let Some(insertion) = self.shared.insertion() {
            let began = Instant::now();
            let Err(error) = self.attempt(&insertion, delay.is_none()).await else {
                self.shared.meter.inserted(began.elapsed());
                // Nobody has its rows then but the batch.
                drop(insertion);
                self.shared.part_stored();
                (delay, self.unsure) = (None, None);
                self.learn().await;
                continue;
            };
            let dead_letters = self.dead_letters.is_some();
            match fate::fate(&error, Part { rows: insertion.part.len(), relearnt, dead_letters }) {
                Fate::Again => {
                    let rows = insertion.part.len();
                    tracing::debug!(table = %self.table, rows, cause = %error.message(), "a batch waits");
                    self.shared.meter.retried();
                    let next = backoff.next(delay, fastrand::f64());
                    delay = Some(next);
                    sleep(next).await;
                }
                Fate::Relearn => {
                    relearnt = true;
                    self.forget_columns().await;
                }
                Fate::Split => self.shared.split(),
                Fate::Refused if insertion.refused < self.shared.options.max_refused => {
                    if let Err(error) = self.refuse(&insertion, &error).await {
                        return self.shared.halt(error);
                    }
                }
                Fate::Halt if self.may_go_unchecked(&error).await => self.checked = false,
                Fate::Refused | Fate::Halt => return self.shared.halt(error),
            }
        }
    }

    /// One attempt. Beside the first of a batch, the next is sent ahead.
    async fn attempt(&mut self, insertion: &Insertion<T>, first: bool) -> Result<()> {
        let (begun, mut next) = match self.ahead.take() {
            Some(ahead) if ahead.token == insertion.token => (Some(ahead), None),
            other => (None, other),
        };
        let result = tokio::select! {
            biased;
            result = self.insert(insertion, begun) => result,
            () = self.send_ahead(&mut next, first) => unreachable!("it has no end"),
        };
        match &result {
            Ok(()) => self.ahead = next,
            Err(error) => self.remember(error),
        }
        result
    }

    /// Remembers the server on which the part may be stored, where others would not know of it.
    fn remember(&mut self, error: &Error) {
        if error.outcome() == Outcome::Unknown && !self.anywhere() {
            let mut members = self.group.members().into_iter();
            self.unsure = members.find(|member| member.name() == error.resource());
        }
    }

    /// Whether any server would know that a part is stored already.
    fn anywhere(&self) -> bool {
        self.shared.options.replicated || self.group.members().len() == 1
    }

    async fn insert(&self, insertion: &Insertion<T>, begun: Option<Ahead>) -> Result<()> {
        let shared = &*self.shared;
        let Insertion { rows, part, token, .. } = insertion;
        let (table, mode) = (self.table.as_str(), shared.options.mode);
        let how = How { table, token, mode, checked: self.checked };
        let known = if self.checked { None } else { self.known.as_ref() };
        let begun = &Mutex::new(begun.map(Ahead::turn));
        let attempt = |lease: Lease<ClickHouse>| async move {
            if let Some(known) = known
                && !unchanged(shared.kind.names(), known, &columns(&lease, table).await?)
            {
                return Err(DriverError::SchemaMismatch(format!("{table} has changed")));
            }
            let was_safe = shared.begin_attempt();
            let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).take();
            let rest = match begun {
                Some(turn) => turn.await,
                None => None,
            };
            let rest = match rest {
                Some(rest) => Ok(rest),
                None => shared.kind.begin(&lease, rows, part.clone(), how).await,
            };
            let result = match rest {
                Ok(rest) => rest.await,
                Err(error) => Err(error),
            };
            if let Err(error) = &result
                && was_safe
                && ClickHouse::classify(error).outcome == Outcome::NotApplied
            {
                shared.not_applied();
            }
            result
        };
        match &self.unsure {
            Some(server) => server.run_idempotent(attempt).await,
            None if self.anywhere() => self.group.run_idempotent(attempt).await,
            None => self.group.run(attempt).await,
        }
    }

    /// Remembers the table's columns after the first insert; where that fails, after the next.
    async fn learn(&mut self) {
        if self.known.is_none() && !self.shared.kind.names().is_empty() {
            self.known = self.look().await.ok();
        }
    }

    async fn look(&self) -> Result<Columns> {
        let table = self.table.as_str();
        self.group.run(|lease| async move { columns(&lease, table).await }).await
    }

    /// The driver asks the server for the table's columns anew.
    async fn forget_columns(&mut self) {
        self.checked = true;
        for server in self.group.members() {
            // Without a connection there will be a new client, which remembers nothing.
            if let Ok(lease) = server.try_acquire() {
                lease.clear_cached_metadata().await;
            }
        }
    }

    /// Whether the driver refuses a table for no more than columns that were added.
    async fn may_go_unchecked(&self, error: &Error) -> bool {
        let refused = matches!(fate::cause(error), Some(DriverError::SchemaMismatch(_)));
        let (true, true, Some(known)) = (refused, self.checked, &self.known) else { return false };
        self.look().await.is_ok_and(|now| unchanged(self.shared.kind.names(), known, &now))
    }

    /// Gives the one row of the part to the dead letters.
    async fn refuse(&mut self, insertion: &Insertion<T>, error: &Error) -> Result<()> {
        let kind = self.shared.kind;
        let found = pieces(kind, &insertion.rows, insertion.part.clone()).next();
        let (Some(take), Some((chunk, at))) = (&self.dead_letters, found) else {
            return Err(error.clone());
        };
        let alone = kind.slice(chunk, at);
        let row = alone.as_ref().unwrap_or(chunk);
        let limit = self.group.settings().operation_timeout;
        let failed = |why: String| {
            let message = format!("a refused row went nowhere: {why}");
            self.shared.error(ErrorKind::Operation, message)
        };
        match timeout(limit, take(row, error)).await {
            Ok(Ok(())) => {
                self.shared.part_refused();
                self.unsure = None;
            }
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed(format!("it was not taken within {limit:?}"))),
        }
        Ok(())
    }
}

/// Writes to the disk what there is to write. Runs until it is dropped.
pub(super) async fn write<T: Send + 'static>(shared: Arc<Shared<T>>) {
    const PAUSE: Duration = Duration::from_millis(500);
    let Some(spill) = &shared.spill else { return };
    loop {
        match spill.work(async || sleep(PAUSE).await).await {
            Some(last) => shared.synced(last),
            None => spill.wake.notified().await,
        }
    }
}

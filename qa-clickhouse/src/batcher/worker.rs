//! The task that inserts.

use super::insert::insert;
use super::state::{Batch, Due, Shared};
use crate::ClickHouse;
use clickhouse::{RowOwned, RowWrite};
use qa_resource_core::{Backend, Backoff, Group, Outcome};
use std::sync::Arc;
use tokio::time::{sleep, timeout_at};

/// Inserts batches, one after the other, as they are due. Runs until it is dropped; every row is in
/// `shared` at every await, so nothing is lost then.
pub(super) async fn run<T>(shared: Arc<Shared<T>>, group: Group<ClickHouse>, table: String)
where
    T: RowOwned + RowWrite + Send + Sync + 'static,
{
    loop {
        match shared.due() {
            Due::WhenWoken => shared.wake.notified().await,
            Due::At(time) => drop(timeout_at(time, shared.wake.notified()).await),
            Due::Now => {
                if let Some(batch) = shared.seal() {
                    store(&shared, &group, &table, &batch).await;
                }
            }
        }
    }
}

/// Inserts a batch until it is stored, or an error says that trying again can't help.
async fn store<T>(shared: &Shared<T>, group: &Group<ClickHouse>, table: &str, batch: &Batch<T>)
where
    T: RowOwned + RowWrite + Send + Sync + 'static,
{
    let settings = group.settings();
    let backoff = Backoff::new(settings.backoff_floor, settings.backoff_cap);
    let mut delay = None;
    loop {
        let attempt = group.run_idempotent(|lease| async move {
            let was_safe = shared.begin_attempt();
            let result = insert(&lease, table, &batch.rows, &batch.token).await;
            if let Err(error) = &result
                && was_safe
                && ClickHouse::classify(error).outcome == Outcome::NotApplied
            {
                shared.not_applied();
            }
            result
        });
        match attempt.await {
            Ok(()) => return shared.batch_stored(),
            Err(error) if error.kind().is_transient() => {
                tracing::debug!(table, rows = batch.rows.len(), cause = %error.message(), "a batch waits");
                let next = backoff.next(delay, fastrand::f64());
                delay = Some(next);
                sleep(next).await;
            }
            Err(error) => return shared.halt(error),
        }
    }
}

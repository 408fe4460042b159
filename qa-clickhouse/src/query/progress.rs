//! How far a query is.

use clickhouse::error::Result;
use clickhouse::{Client, Row};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often the server is asked.
const INTERVAL: Duration = Duration::from_millis(200);

/// An answer that takes longer is of no use.
const LIMIT: Duration = Duration::from_secs(2);

/// How far a query is, in the server's words.
#[derive(Clone, Debug, Default, PartialEq, Row, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Rows read until now.
    pub read_rows: u64,
    /// Bytes read until now, uncompressed.
    pub read_bytes: u64,
    /// Rows that there are to read, as far as the server knows yet.
    pub total_rows: u64,
    /// Memory that the query takes, in bytes.
    pub memory: i64,
    /// Seconds since it began.
    pub elapsed: f64,
}

impl Progress {
    /// The part of the rows that are read, from 0 to 1. `None` while nobody knows how many there are.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a progress bar is not that precise")]
    pub fn share(&self) -> Option<f64> {
        (self.total_rows > 0).then(|| (self.read_rows as f64 / self.total_rows as f64).min(1.0))
    }
}

/// News of how far a query is, until it ends; of [`Query::progress`](crate::Query::progress).
#[derive(Debug)]
pub struct ProgressStream(pub(super) watch::Receiver<Progress>);

impl ProgressStream {
    /// The next news, about five times a second. `None` once the query has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn next(&mut self) -> Option<Progress> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }
}

/// Asks how far the query is for as long as somebody listens. Runs until it is dropped.
pub(super) async fn follow(client: Client, id: String, news: watch::Sender<Progress>) {
    while !news.is_closed() {
        sleep(INTERVAL).await;
        if let Ok(Ok(Some(now))) = timeout(LIMIT, look(&client, &id)).await {
            news.send_replace(now);
        }
    }
}

async fn look(client: &Client, id: &str) -> Result<Option<Progress>> {
    let sql = "SELECT read_rows, read_bytes, total_rows_approx AS total_rows, memory_usage AS memory, elapsed FROM system.processes WHERE query_id = {id:String}";
    client.query(sql).param("id", id).fetch_optional().await
}

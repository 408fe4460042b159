//! Bars are stored in batches: MongoDB, then ClickHouse, then the signals in Redis. Whoever puts a
//! bar waits until it is stored, so that a message is acknowledged behind that and not before.

use super::bars::Bar;
use super::connections::Connections;
use super::consume::AT_ONCE;
use super::names::Names;
use super::progress::Progress;
use super::signal::Signals;
use anyhow::{Context, anyhow};
use clickhouse::Row;
use qa_pool::Group;
use qa_pool::clickhouse::{BatchOptions, Batcher};
use qa_pool::mongo::mongodb::bson::{Document, doc};
use qa_pool::mongo::{BulkOptions, MongoDb, bulk_upsert};
use qa_pool::redis::{Redis, redis};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long a batch waits for more bars.
const GATHER: Duration = Duration::from_millis(20);

/// How long one batch may take to be in ClickHouse, a broken server included.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// How long a signal is worth something.
pub(crate) const SIGNAL_TTL: u64 = 300;

/// A bar, and where its outcome goes.
type Put = (Bar, oneshot::Sender<Result<(), String>>);

/// The way into the store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store(mpsc::Sender<Put>);

impl Store {
    /// Stores a bar, and waits until it is in MongoDB and ClickHouse.
    pub(crate) async fn put(&self, bar: Bar) -> anyhow::Result<()> {
        let (done, outcome) = oneshot::channel();
        self.0.send((bar, done)).await.map_err(|_| anyhow!("the store has ended"))?;
        outcome.await.context("the store has ended")?.map_err(anyhow::Error::msg)
    }
}

/// The running store; it ends when nobody can put any more.
pub(crate) struct Stored(JoinHandle<anyhow::Result<()>>);

impl Stored {
    pub(crate) async fn finish(mut self) -> anyhow::Result<()> {
        (&mut self.0).await?
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A bar as ClickHouse has it.
#[derive(Row, Serialize, Deserialize)]
pub(crate) struct BarRow {
    code: String,
    time: u32,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
}

impl From<&Bar> for BarRow {
    fn from(bar: &Bar) -> Self {
        let Bar { code, time, open, high, low, close, volume } = bar.clone();
        Self { code, time, open, high, low, close, volume }
    }
}

struct Worker {
    mongo: Group<MongoDb>,
    redis: Group<Redis>,
    batcher: Batcher<BarRow>,
    signals: Signals,
    collection: String,
    key: Box<dyn Fn(&str) -> String + Send + Sync>,
    progress: Progress,
}

pub(crate) fn start(
    connections: &Connections,
    names: &Names,
    progress: &Progress,
) -> (Store, Stored) {
    let (sender, receiver) = mpsc::channel(usize::from(AT_ONCE));
    let prefix = names.signal("");
    let worker = Worker {
        mongo: connections.mongo.clone(),
        redis: connections.redis.clone(),
        batcher: Batcher::new(&connections.clickhouse, &names.table, BatchOptions::default()),
        signals: Signals::default(),
        collection: names.collection.clone(),
        key: Box::new(move |code| format!("{prefix}{code}")),
        progress: progress.clone(),
    };
    (Store(sender), Stored(tokio::spawn(worker.run(receiver))))
}

impl Worker {
    async fn run(mut self, mut puts: mpsc::Receiver<Put>) -> anyhow::Result<()> {
        let mut batch = Vec::new();
        while puts.recv_many(&mut batch, usize::from(AT_ONCE)).await > 0 {
            sleep(GATHER).await;
            while batch.len() < usize::from(AT_ONCE) {
                let Ok(put) = puts.try_recv() else { break };
                batch.push(put);
            }
            let (bars, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut batch).into_iter().unzip();
            // A message whose batch failed goes back to the queue, and comes again.
            let outcome = self.store(&bars).await.map_err(|error| format!("{error:#}"));
            for done in waiting {
                // An error means that the handler was dropped: its message comes again, too.
                let _ = done.send(outcome.clone());
            }
        }
        let report = self.batcher.close(FLUSH_LIMIT).await;
        if report.is_clean() { Ok(()) } else { Err(anyhow!("{report}")) }
    }

    async fn store(&mut self, bars: &[Bar]) -> anyhow::Result<()> {
        self.upsert(bars).await.context("mongo")?;
        self.insert(bars).await.context("clickhouse")?;
        self.progress.stored(bars);
        self.signal(bars).await.context("redis")
    }

    async fn upsert(&self, bars: &[Bar]) -> anyhow::Result<()> {
        let documents: Vec<_> = bars.iter().map(document).collect();
        let upsert = self.mongo.run_idempotent(async |lease| {
            let collection = MongoDb::database(&lease).collection::<Document>(&self.collection);
            bulk_upsert(&collection, &documents, &["code", "time"], &BulkOptions::default()).await
        });
        match upsert.await?.errors.first() {
            None => Ok(()),
            Some(error) => Err(anyhow!("a bar was refused: {}", error.message)),
        }
    }

    async fn insert(&self, bars: &[Bar]) -> anyhow::Result<()> {
        let insert = async {
            for bar in bars {
                self.batcher.push(bar.into()).await?;
            }
            self.batcher.flush().await
        };
        Ok(timeout(FLUSH_LIMIT, insert).await.context("not stored in time")??)
    }

    /// Caches the signal of each code that has new bars: one round trip for all.
    async fn signal(&mut self, bars: &[Bar]) -> anyhow::Result<()> {
        let signals = self.signals.add(bars);
        let mut pipeline = redis::pipe();
        for signal in &signals {
            let text = serde_json::to_string(signal)?;
            pipeline.set_ex((self.key)(&signal.code), text, SIGNAL_TTL).ignore();
        }
        let set = self
            .redis
            .run_idempotent(async |lease| pipeline.query_async::<()>(&mut lease.clone()).await);
        set.await?;
        self.progress.signalled(signals.len());
        Ok(())
    }
}

fn document(bar: &Bar) -> Document {
    let Bar { code, time, open, high, low, close, volume } = bar;
    let time = qa_pool::mongo::mongodb::bson::DateTime::from_millis(i64::from(*time) * 1_000);
    doc! { "code": code, "time": time, "open": open, "high": high, "low": low, "close": close, "volume": volume }
}

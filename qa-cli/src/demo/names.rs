//! What the demo calls its queue, collection, table and keys, made before and removed behind it.

use super::bars::{Bar, codes};
use super::connections::Connections;
use qa_pool::amqp::lapin::options::QueueDeleteOptions;
use qa_pool::amqp::{Queue, Topology};
use qa_pool::mongo::mongodb::bson::Document;
use qa_pool::mongo::{MongoDb, ensure_unique_index};
use qa_pool::redis::redis::AsyncCommands;
use std::time::Duration;

/// How long building an index may take.
const INDEX_LIMIT: Duration = Duration::from_secs(30);

/// Names that can't meet the user's own data.
pub(crate) struct Names {
    /// On the user's servers everything has a name of its own and is removed again.
    borrowed: bool,
    pub(crate) queue: String,
    pub(crate) collection: String,
    pub(crate) table: String,
    prefix: String,
    codes: Vec<String>,
}

impl Names {
    pub(crate) fn new(borrowed: bool, bars: &[Bar]) -> Self {
        let prefix =
            if borrowed { format!("qa_demo_{:08x}_", fastrand::u32(..)) } else { String::new() };
        Self {
            borrowed,
            queue: format!("{prefix}bars"),
            collection: format!("{prefix}stock_day"),
            table: format!("{prefix}stock_day"),
            prefix,
            codes: codes(bars),
        }
    }

    /// The key of a code's signal.
    pub(crate) fn signal(&self, code: &str) -> String {
        format!("{}signal:{code}", self.prefix)
    }

    /// Declares the queue, which then comes back with each reconnect, and makes index and table.
    pub(crate) async fn prepare(&self, connections: &Connections) -> qa_pool::Result<()> {
        let topology = Topology::new().queue(Queue::new(&self.queue));
        connections.amqp.run(async |lease| lease.declare(topology.clone()).await).await?;
        let collection = connections.mongo.run(async |lease| {
            let bars = MongoDb::database(&lease).collection::<Document>(&self.collection);
            ensure_unique_index(&bars, &["code", "time"], INDEX_LIMIT).await
        });
        collection.await?;
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {} (code LowCardinality(String), time DateTime('UTC'), open Float64, \
             high Float64, low Float64, close Float64, volume Float64) \
             ENGINE = ReplacingMergeTree ORDER BY (code, time) SETTINGS non_replicated_deduplication_window = 1000",
            self.table
        );
        connections.clickhouse.run(async |lease| lease.query(&create).execute().await).await
    }

    /// Leaves the user's servers as they were. What can't be removed is named.
    pub(crate) async fn remove(&self, connections: &Connections) {
        if !self.borrowed {
            return;
        }
        let drop_table = format!("DROP TABLE IF EXISTS {}", self.table);
        let keys: Vec<_> = self.codes.iter().map(|code| self.signal(code)).collect();
        let removals = [
            (
                "table",
                &self.table,
                connections
                    .clickhouse
                    .run(async |lease| lease.query(&drop_table).execute().await)
                    .await
                    .err(),
            ),
            (
                "collection",
                &self.collection,
                connections
                    .mongo
                    .run(async |lease| {
                        MongoDb::database(&lease)
                            .collection::<Document>(&self.collection)
                            .drop()
                            .await
                    })
                    .await
                    .err(),
            ),
            (
                "queue",
                &self.queue,
                connections
                    .amqp
                    .run(async |lease| {
                        let channel = lease.channel().await?;
                        channel
                            .queue_delete(self.queue.as_str().into(), QueueDeleteOptions::default())
                            .await?;
                        Ok(())
                    })
                    .await
                    .err(),
            ),
            (
                "keys",
                &self.prefix,
                connections
                    .redis
                    .run(async |lease| lease.clone().del::<_, ()>(&keys).await)
                    .await
                    .err(),
            ),
        ];
        for (what, name, error) in removals {
            if let Some(error) = error {
                eprintln!("the {what} {name} could not be removed: {error}");
            }
        }
    }
}

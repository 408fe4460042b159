//! The smallest thing that each kind of server answers, through the pool.

use crate::alarm::nobody;
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{Publisher, PublisherSettings, RabbitMq};
use qa_pool::clickhouse::ClickHouse;
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::redis::Redis;
use qa_pool::redis::redis::cmd;
use qa_pool::{Group, ResourcePool};
use std::sync::Arc;

/// One round trip, as often as it is wanted. It changes nothing at the server. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Trip {
    MongoDb(Group<MongoDb>),
    /// To a queue that is not there: the broker confirms the message and drops it.
    RabbitMq(Arc<Publisher>, Arc<str>),
    ClickHouse(Group<ClickHouse>),
    Redis(Group<Redis>),
}

impl Trip {
    /// That of the resource `name`; `None` where there is no such resource.
    pub(crate) fn of(pool: &ResourcePool, name: &str) -> Option<Self> {
        if let Ok(group) = pool.get::<RabbitMq>(name) {
            let settings =
                PublisherSettings { mandatory: false, persistent: false, ..Default::default() };
            let publisher = Publisher::new(&group, settings);
            return Some(Self::RabbitMq(Arc::new(publisher), nobody().into()));
        }
        let mongodb = pool.get(name).map(Self::MongoDb);
        let clickhouse = || pool.get(name).map(Self::ClickHouse);
        let redis = || pool.get(name).map(Self::Redis);
        mongodb.or_else(|_| clickhouse()).or_else(|_| redis()).ok()
    }

    /// What it is, in words.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::MongoDb(_) => "the command ping",
            Self::RabbitMq(..) => "a confirmed message",
            Self::ClickHouse(_) => "SELECT 1",
            Self::Redis(_) => "PING",
        }
    }

    /// Makes it once, within the resource's limit.
    pub(crate) async fn make(&self) -> anyhow::Result<()> {
        match self {
            Self::MongoDb(group) => {
                let ping = group.run_idempotent(async |lease| {
                    MongoDb::database(&lease).run_command(doc! { "ping": 1 }).await.map(drop)
                });
                Ok(ping.await?)
            }
            Self::RabbitMq(publisher, nobody) => {
                let none = BasicProperties::default();
                Ok(publisher.publish("", nobody, b"", none).await.map(drop)?)
            }
            Self::ClickHouse(group) => {
                let select = group.run_idempotent(async |lease| {
                    lease.query("SELECT 1").fetch_one::<u8>().await.map(drop)
                });
                Ok(select.await?)
            }
            Self::Redis(group) => {
                let ping = group.run_idempotent(async |lease| {
                    cmd("PING").query_async(&mut (*lease).clone()).await
                });
                Ok(ping.await?)
            }
        }
    }
}

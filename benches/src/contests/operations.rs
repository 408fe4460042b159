//! One operation of each system, through ours and with the bare driver.

use super::publish::{confirming, publish_bare, publish_ours};
use super::{GOODBYE, bare, connected, in_line};
use crate::contest::{Party, milliseconds};
use anyhow::{Context, Result};
use qa_pool::amqp::lapin::{Channel, Connection};
use qa_pool::amqp::{Publisher, PublisherSettings, RabbitMq};
use qa_pool::clickhouse::{ClickHouse, clickhouse};
use qa_pool::core::Resource;
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::mongodb::bson::{Document, doc};
use qa_pool::mongo::mongodb::{self, options::UpdateModifications};
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncCommands;
use qa_pool::redis::redis::aio::MultiplexedConnection;
use qa_servers::{Server, System};
use std::sync::Arc;

/// The queue that is published to, and the key and the collection that are read.
pub(super) const NAME: &str = "bench_each";

/// What the operation is called.
pub(super) fn words(system: System) -> &'static str {
    match system {
        System::MongoDb => "MongoDB, find one",
        System::RabbitMq => "RabbitMQ, publish",
        System::ClickHouse => "ClickHouse, SELECT",
        System::Redis => "Redis, GET",
    }
}

/// The URL at which the operation has something to find; made twice it is the same.
pub(super) async fn prepared(server: &Server) -> Result<String> {
    let system = server.system();
    let url = match system {
        System::RabbitMq => server.vhost("bench-each").await?,
        _ => server.url(),
    };
    let client = Bare::connect(system, &url).await?;
    match &client {
        Bare::Mongo(client) => {
            let key = doc! { "code": "000001" };
            let bar = UpdateModifications::Document(doc! { "$set": { "close": 10.5 } });
            bars(client).update_one(key, bar).upsert(true).await?;
        }
        Bare::Redis(connection) => {
            let () = connection.clone().set(NAME, "buy").await?;
        }
        // The channel that was opened has made its queue.
        Bare::Rabbit(..) | Bare::ClickHouse(_) => {}
    }
    client.close().await?;
    Ok(url)
}

fn bars(client: &mongodb::Client) -> mongodb::Collection<Document> {
    client.database(NAME).collection("bars")
}

async fn find(client: &mongodb::Client) -> Result<()> {
    bars(client).find_one(doc! { "code": "000001" }).await?.context("the bar is not there")?;
    Ok(())
}

async fn select(client: &clickhouse::Client) -> Result<()> {
    client.query("SELECT 1").fetch_one::<u8>().await?;
    Ok(())
}

/// One of ours, which is kept.
pub(super) enum Ours {
    Mongo(Resource<MongoDb>),
    Rabbit(Resource<RabbitMq>, Publisher),
    ClickHouse(Resource<ClickHouse>),
    Redis(Resource<Redis>),
}

impl Ours {
    pub(super) async fn connect(system: System, url: &str) -> Result<Self> {
        Ok(match system {
            System::MongoDb => Self::Mongo(connected(url, MongoDb::new).await?),
            System::RabbitMq => {
                let resource = connected(url, RabbitMq::new).await?;
                let publisher = Publisher::new(&resource, PublisherSettings::default());
                Self::Rabbit(resource, publisher)
            }
            System::ClickHouse => Self::ClickHouse(connected(url, ClickHouse::new).await?),
            System::Redis => Self::Redis(connected(url, Redis::new).await?),
        })
    }

    /// One operation, with a lease of its own.
    pub(super) async fn once(&self) -> Result<()> {
        match self {
            Self::Mongo(resource) => find(&*resource.acquire().await?).await,
            Self::Rabbit(_, publisher) => publish_ours(publisher, NAME).await,
            Self::ClickHouse(resource) => select(&*resource.acquire().await?).await,
            Self::Redis(resource) => {
                let lease = resource.acquire().await?;
                let _: String = lease.clone().get(NAME).await?;
                Ok(())
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Mongo(resource) => drop(resource.close(GOODBYE).await),
            Self::Rabbit(resource, _) => drop(resource.close(GOODBYE).await),
            Self::ClickHouse(resource) => drop(resource.close(GOODBYE).await),
            Self::Redis(resource) => drop(resource.close(GOODBYE).await),
        }
    }
}

/// A client of the bare driver, which has been answered.
pub(super) enum Bare {
    Mongo(mongodb::Client),
    Rabbit(Connection, Channel),
    ClickHouse(clickhouse::Client),
    Redis(MultiplexedConnection),
}

impl Bare {
    pub(super) async fn connect(system: System, url: &str) -> Result<Self> {
        Ok(match system {
            System::MongoDb => {
                let client = bare::mongo(url).await?;
                client.database("admin").run_command(doc! { "ping": 1 }).await?;
                Self::Mongo(client)
            }
            System::RabbitMq => {
                let connection = bare::rabbit(url).await?;
                let channel = confirming(&connection, NAME).await?;
                Self::Rabbit(connection, channel)
            }
            System::ClickHouse => {
                let client = bare::clickhouse(url)?;
                select(&client).await?;
                Self::ClickHouse(client)
            }
            System::Redis => Self::Redis(bare::redis(url).await?),
        })
    }

    pub(super) async fn once(&self) -> Result<()> {
        match self {
            Self::Mongo(client) => find(client).await,
            Self::Rabbit(_, channel) => publish_bare(channel, NAME).await,
            Self::ClickHouse(client) => select(client).await,
            Self::Redis(connection) => {
                let _: String = connection.clone().get(NAME).await?;
                Ok(())
            }
        }
    }

    pub(super) async fn close(self) -> Result<()> {
        match self {
            Self::Mongo(client) => client.shutdown().immediate(true).await,
            Self::Rabbit(connection, _) => connection.close(200, "done".into()).await?,
            // These say no goodbye.
            Self::ClickHouse(_) | Self::Redis(_) => {}
        }
        Ok(())
    }
}

/// A party of ours that does so many, one after the other; milliseconds for each.
pub(super) fn ours_kept(ours: &Arc<Ours>, count: usize) -> impl Party + 'static {
    let ours = Arc::clone(ours);
    milliseconds(count, move || {
        let ours = Arc::clone(&ours);
        async move { in_line(count, || ours.once()).await }
    })
}

/// The same with a client of the bare driver that is kept.
pub(super) fn bare_kept(bare: &Arc<Bare>, count: usize) -> impl Party + 'static {
    let bare = Arc::clone(bare);
    milliseconds(count, move || {
        let bare = Arc::clone(&bare);
        async move { in_line(count, || bare.once()).await }
    })
}

/// The same with a client of the bare driver for each.
pub(super) fn bare_each(system: System, url: &str, count: usize) -> impl Party + 'static {
    let url = url.to_owned();
    milliseconds(count, move || {
        let url = url.clone();
        async move {
            let once = || async {
                let client = Bare::connect(system, &url).await?;
                client.once().await?;
                client.close().await
            };
            in_line(count, once).await
        }
    })
}

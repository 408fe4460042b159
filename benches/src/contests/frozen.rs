//! B11: one of four servers is frozen, and the others are to be as quick as ever.

use super::operations::{NAME, prepared};
use super::{AS_BARE, GOODBYE, all, connected};
use crate::bench::Bench;
use crate::contest::{Contest, Doing, Party, per_second};
use anyhow::{Context, Result};
use qa_pool::amqp::RabbitMq;
use qa_pool::clickhouse::ClickHouse;
use qa_pool::mongo::MongoDb;
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncCommands;
use qa_pool::{Group, ResourcePool};
use qa_servers::{Server, System};
use std::collections::BTreeMap;
use std::sync::Arc;

const TASKS: usize = 100;

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    for driver in ["mongodb", "lapin", "clickhouse", "redis"] {
        bench.driver(driver);
    }
    let mut urls = BTreeMap::new();
    for system in System::ALL {
        urls.insert(system, prepared(&*bench.servers.get(system).await?).await?);
    }
    let url = |system| urls.get(&system).context("it was prepared");
    let pool = ResourcePool::new();
    pool.add(Group::from(&connected(url(System::MongoDb)?, MongoDb::new).await?))?;
    pool.add(Group::from(&connected(url(System::RabbitMq)?, RabbitMq::new).await?))?;
    pool.add(Group::from(&connected(url(System::ClickHouse)?, ClickHouse::new).await?))?;
    let redis = pool.add(Group::from(&connected(url(System::Redis)?, Redis::new).await?))?;
    let (mongo, each) = (bench.servers.get(System::MongoDb).await?, bench.pick(20, 1_000));
    let units = ["commands/s"];
    let contest = Contest::new(
        "GET, 100 tasks",
        &units,
        "beside a frozen MongoDB",
        party(&redis, Some(mongo), each),
    )
    .beside("the same with none frozen", &[AS_BARE], party(&redis, None, each));
    bench.hold(contest).await?;
    pool.close(GOODBYE).await;
    Ok(())
}

/// Reads by all tasks, while this server is frozen, if there is one.
fn party(redis: &Group<Redis>, frozen: Option<Arc<Server>>, each: usize) -> impl Party + 'static {
    let redis = redis.clone();
    Doing(move || {
        let (redis, frozen) = (redis.clone(), frozen.clone());
        async move {
            if let Some(server) = &frozen {
                server.freeze().await?;
            }
            let read = all(TASKS, |_| reads(redis.clone(), each)).await;
            if let Some(server) = &frozen {
                server.thaw().await?;
            }
            Ok(vec![per_second(TASKS * each, read?)])
        }
    })
}

async fn reads(redis: Group<Redis>, count: usize) -> Result<()> {
    for _ in 0..count {
        let lease = redis.acquire().await?;
        let _: String = lease.clone().get(NAME).await?;
    }
    Ok(())
}

//! The four connections, in one pool.

use super::servers::Servers;
use crate::Usage;
use qa_pool::amqp::RabbitMq;
use qa_pool::clickhouse::ClickHouse;
use qa_pool::core::Target;
use qa_pool::mongo::MongoDb;
use qa_pool::redis::Redis;
use qa_pool::{Config, Group, Resource, ResourcePool, Settings};
use qa_servers::System;
use std::path::Path;

/// The pool and the four groups in it.
pub(crate) struct Connections {
    pub(crate) pool: ResourcePool,
    pub(crate) mongo: Group<MongoDb>,
    pub(crate) amqp: Group<RabbitMq>,
    pub(crate) clickhouse: Group<ClickHouse>,
    pub(crate) redis: Group<Redis>,
}

impl Connections {
    /// To the demo's own servers: a line per backend. They are closed in reverse order, so what
    /// brings work in comes last.
    pub(crate) fn to(servers: &Servers) -> anyhow::Result<Self> {
        let target = |name: &str, system| -> anyhow::Result<Target> {
            Ok(Target::parse(name, &servers.of(system)?.url())?)
        };
        let settings = Settings::default;
        let pool = ResourcePool::new();
        pool.add(Resource::new(
            "redis",
            Redis::new(&target("redis", System::Redis)?)?,
            settings(),
        ))?;
        pool.add(Resource::new(
            "clickhouse",
            ClickHouse::new(&target("clickhouse", System::ClickHouse)?)?,
            settings(),
        ))?;
        pool.add(Resource::new(
            "mongo",
            MongoDb::new(&target("mongo", System::MongoDb)?)?,
            settings(),
        ))?;
        pool.add(Resource::new(
            "amqp",
            RabbitMq::new(&target("amqp", System::RabbitMq)?)?,
            settings(),
        ))?;
        Ok(Self::of(pool)?)
    }

    /// To the user's servers.
    pub(crate) fn from_config(file: &Path) -> Result<Self, Usage> {
        let config = Config::from_file(file).map_err(|error| Usage(error.to_string()))?;
        let pool = ResourcePool::from_config(&config).and_then(Self::of);
        pool.map_err(|error| Usage(format!("{}: {error}", file.display())))
    }

    fn of(pool: ResourcePool) -> qa_pool::Result<Self> {
        let (mongo, amqp) = (pool.mongo()?, pool.amqp()?);
        let (clickhouse, redis) = (pool.clickhouse()?, pool.redis()?);
        Ok(Self { pool, mongo, amqp, clickhouse, redis })
    }
}

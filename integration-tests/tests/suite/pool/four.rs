//! Four members on four real servers.

use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis, Subject};
use qa_pool::core::Target;
use qa_pool::{Config, ResourceConfig, ResourcePool, Settings};
use qa_servers::Server;
use std::time::Duration;

/// In the order in which they are added; a close takes them from the end.
pub(crate) const ORDER: [&str; 4] = ["redis", "amqp", "mongo", "clickhouse"];

/// Which server each member is on.
pub(crate) struct Servers<'a> {
    pub(crate) redis: &'a Server,
    pub(crate) mongo: &'a Server,
    pub(crate) clickhouse: &'a Server,
    pub(crate) rabbit: &'a Server,
}

impl Servers<'_> {
    /// The four that tests share.
    pub(crate) async fn shared() -> Servers<'static> {
        use integration_tests::servers::shared;
        // All at once: RabbitMQ's start takes as long as the others' together.
        let (redis, mongo, clickhouse, rabbit) = tokio::join!(
            shared(Redis::SYSTEM),
            shared(MongoDb::SYSTEM),
            shared(ClickHouse::SYSTEM),
            shared(RabbitMq::SYSTEM),
        );
        Servers { redis, mongo, clickhouse, rabbit }
    }

    /// The members' URLs, in [`ORDER`].
    pub(crate) async fn urls(&self, test: &str) -> [String; 4] {
        [
            Redis::url(self.redis, test).await,
            RabbitMq::url(self.rabbit, test).await,
            MongoDb::url(self.mongo, test).await,
            ClickHouse::url(self.clickhouse, test).await,
        ]
    }

    /// A pool with the four, not connected yet.
    pub(crate) async fn pool(&self, test: &str) -> ResourcePool {
        pool_of(&self.urls(test).await)
    }

    /// The same, connected.
    pub(crate) async fn connected(&self, test: &str) -> ResourcePool {
        let pool = self.pool(test).await;
        pool.connect().await.unwrap();
        pool
    }
}

/// A pool with a member at each URL, named as in [`ORDER`].
pub(crate) fn pool_of(urls: &[String; 4]) -> ResourcePool {
    let resource = |(name, url): (&str, &String)| ResourceConfig {
        target: Target::parse(name, url).unwrap(),
        settings: Settings::default(),
        required: true,
        group: None,
    };
    let resources = ORDER.into_iter().zip(urls).map(resource).collect();
    let config =
        Config { resources, shutdown_timeout: Duration::from_secs(10), ..Config::default() };
    ResourcePool::from_config(&config).unwrap()
}

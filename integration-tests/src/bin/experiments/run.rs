//! What an experiment is given, and what it is about.

use clap::ValueEnum;
use std::time::Duration;

/// What a line of progress on standard error begins with.
pub(crate) const PROGRESS: &str = "» ";

/// What an experiment is run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Against {
    /// The core alone, on a scripted backend.
    Core,
    /// A pool of all four.
    Pool,
    Mongodb,
    /// A replica set of three.
    MongodbSet,
    Rabbitmq,
    /// A cluster of three.
    RabbitmqCluster,
    Clickhouse,
    Redis,
    /// A master with two replicas, under three sentinels.
    RedisSentinels,
    /// Three masters with a replica each, which share the keys.
    RedisCluster,
}

impl Against {
    pub(crate) const FOUR: &[Self] =
        &[Self::Mongodb, Self::Rabbitmq, Self::Clickhouse, Self::Redis];

    /// One broker, and a cluster of them.
    pub(crate) const BROKERS: &[Self] = &[Self::Rabbitmq, Self::RabbitmqCluster];

    /// The word in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Pool => "pool",
            Self::Mongodb => "mongodb",
            Self::MongodbSet => "mongodb-set",
            Self::Rabbitmq => "rabbitmq",
            Self::RabbitmqCluster => "rabbitmq-cluster",
            Self::Clickhouse => "clickhouse",
            Self::Redis => "redis",
            Self::RedisSentinels => "redis-sentinels",
            Self::RedisCluster => "redis-cluster",
        }
    }
}

/// One run of an experiment: how much of it is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) against: Against,
    pub(crate) short: bool,
    pub(crate) soak: Option<Duration>,
}

impl Run {
    /// One of two values: the short form's or the full form's.
    pub(crate) fn pick<T>(&self, short: T, full: T) -> T {
        if self.short { short } else { full }
    }

    /// Tells whoever watches how far it is.
    pub(crate) fn progress(&self, text: &str) {
        eprintln!("{PROGRESS}{:<10} {text}", self.against.name());
    }
}

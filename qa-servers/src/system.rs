//! The four systems.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Error;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum System {
    /// MongoDB: a replica set of one, so that transactions and change streams work.
    MongoDb,
    /// RabbitMQ, with its management plugin.
    RabbitMq,
    /// ClickHouse, spoken to over HTTP.
    ClickHouse,
    /// Redis, with every write synced to its append-only file.
    Redis,
}

impl System {
    /// All four, in the order in which a reader meets them.
    pub const ALL: [System; 4] =
        [System::MongoDb, System::RabbitMq, System::ClickHouse, System::Redis];

    /// The name as it is written in messages and parsed by [`FromStr`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            System::MongoDb => "mongodb",
            System::RabbitMq => "rabbitmq",
            System::ClickHouse => "clickhouse",
            System::Redis => "redis",
        }
    }

    /// The environment variable that names a server to use instead of starting one.
    #[must_use]
    pub const fn url_variable(self) -> &'static str {
        match self {
            System::MongoDb => "QA_TEST_MONGO_URL",
            System::RabbitMq => "QA_TEST_RABBITMQ_URL",
            System::ClickHouse => "QA_TEST_CLICKHOUSE_URL",
            System::Redis => "QA_TEST_REDIS_URL",
        }
    }

    /// How long a start may take. It only bounds a start that never ends: a machine of two cores
    /// whose disk is busy has needed over a minute for what takes three seconds on a quiet one.
    pub(crate) const fn start_limit(self) -> Duration {
        match self {
            System::MongoDb | System::ClickHouse | System::RabbitMq => Duration::from_secs(180),
            System::Redis => Duration::from_secs(60),
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for System {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        System::ALL.into_iter().find(|system| system.name() == name).ok_or_else(|| {
            Error::UnknownName {
                what: "system",
                name: name.to_owned(),
                known: "mongodb, rabbitmq, clickhouse, redis",
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_and_others_are_refused_with_the_known_ones() {
        for system in System::ALL {
            assert_eq!(system.to_string().parse::<System>().unwrap(), system);
        }
        let error = "mysql".parse::<System>().unwrap_err().to_string();
        assert!(error.contains("mysql") && error.contains("clickhouse"), "{error}");
    }
}

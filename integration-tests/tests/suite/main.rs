//! The behaviour suite: what every backend must do, through the pool, on real servers.
//!
//! One binary, so that servers are shared. A test's name is its subject and its behaviour:
//! `cargo test -p integration-tests --test suite redis::comes_back_after_restart`.

#[macro_use]
mod behaviour;
mod pool;

suite!(
    redis: integration_tests::Redis,
    mongodb: integration_tests::MongoDb,
    clickhouse: integration_tests::ClickHouse,
    rabbitmq: integration_tests::RabbitMq
);

//! The behaviour suite for other forms of the same servers: with TLS, under a sentinel, in a cluster
//! or a replica set.
//!
//! `cargo test -p integration-tests --test forms redis_tls::comes_back_after_restart`. They are processes
//! of this machine, whatever provider is forced.

#[macro_use]
#[path = "../suite/behaviour/mod.rs"]
mod behaviour;

suite!(
    mongodb_replica_set: integration_tests::MongoDbReplicaSet,
    mongodb_tls: integration_tests::Tls<integration_tests::MongoDb>,
    clickhouse_tls: integration_tests::Tls<integration_tests::ClickHouse>,
    clickhouse_two: integration_tests::Twice<integration_tests::ClickHouse>,
    clickhouse_two_tls:
        integration_tests::Twice<integration_tests::Tls<integration_tests::ClickHouse>>,
    redis_tls: integration_tests::Tls<integration_tests::Redis>,
    redis_sentinel: integration_tests::RedisUnderSentinel,
    redis_cluster: integration_tests::RedisInCluster
);

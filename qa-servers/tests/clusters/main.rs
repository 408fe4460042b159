//! Clusters of processes: each loses its leader, gets another, and takes the old one back.

mod clickhouse_pair;
#[path = "../servers/clients.rs"]
#[allow(dead_code, reason = "the tests of single servers use the rest")]
mod clients;
mod leftovers;
mod mongo_replica_set;
mod rabbitmq_cluster;
mod redis_client;
mod redis_cluster;
mod redis_sentinels;
#[path = "../servers/traces.rs"]
#[allow(dead_code, reason = "the tests of single servers use the rest")]
mod traces;

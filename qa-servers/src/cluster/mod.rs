//! Clusters of real servers on loopback, to kill their leaders.
//!
//! Each is started by one call, always as processes of this machine, and each node is a
//! [`Server`](crate::Server): it can be killed, frozen and started again like one that is alone,
//! and leaves as little behind. A cluster says who leads at the moment, as its own nodes see it,
//! and waits within a limit until someone does. It can have another one lead, as before
//! maintenance, while all go on running.
//!
//! ```no_run
//! # async fn example() -> Result<(), qa_servers::Error> {
//! use qa_servers::cluster::MongoReplicaSet;
//! use std::time::Duration;
//!
//! let set = MongoReplicaSet::start().await?;
//! println!("connect to {}", set.url());
//! let old = set.leader().await?;
//! old.kill().await?;
//! let new = set.leader().await?; // elected after a second
//! assert_ne!(old.port(), new.port());
//! old.start_again().await?; // comes back as a follower
//! set.wait_ready(Duration::from_secs(30)).await?; // every node is in its place
//! set.remove().await;
//! # Ok(())
//! # }
//! ```
//!
//! | Cluster | Nodes | Its leader is lost after |
//! |---|---|---|
//! | [`MongoReplicaSet`] | 3 | 1 s without a heartbeat |
//! | [`RabbitMqCluster`] | 3 | a connection that breaks, for each quorum queue |
//! | [`RedisSentinels`] | 3, and 3 sentinels | 1 s of silence |
//! | [`RedisCluster`] | 3 masters, 3 replicas | 1 s of silence; each key has a leader of its own |
//! | [`ClickHousePair`] | 2 | nothing: neither leads |

mod clickhouse_pair;
mod mongo_replica_set;
mod nodes;
mod rabbitmq_cluster;
mod redis_cluster;
mod redis_node;
mod redis_sentinels;
mod slots;

pub use clickhouse_pair::ClickHousePair;
pub use mongo_replica_set::MongoReplicaSet;
pub use rabbitmq_cluster::RabbitMqCluster;
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn used(set: MongoReplicaSet, sentinels: RedisSentinels, cluster: RedisCluster) {
        let _ = (set.leader().await, sentinels.leader().await, cluster.leader_of("k").await);
        let _ = set.hand_over().await;
        let _ = sentinels.hand_over().await;
        let _ = cluster.hand_over("k").await;
        let _ = set.wait_ready(Duration::ZERO).await;
        let _ = sentinels.wait_ready(Duration::ZERO).await;
        let _ = cluster.wait_ready(Duration::ZERO).await;
        tokio::join!(set.remove(), sentinels.remove(), cluster.remove());
    }

    #[test]
    fn a_cluster_can_be_shared_and_its_futures_sent() {
        fn sendable<T: Send>(_: &T) {}
        fn sharable<T: Send + Sync>() {}
        sharable::<(MongoReplicaSet, RedisSentinels, RedisCluster)>();
        sendable(&MongoReplicaSet::start());
        sendable(&RedisSentinels::start());
        sendable(&RedisCluster::start());
        let _ = |set, sentinels, cluster| sendable(&used(set, sentinels, cluster));
    }
}

//! Clusters of real servers on loopback, to kill their leaders.
//!
//! Each is started by one call, as processes of this machine, and each node is a
//! [`Server`](crate::Server): it can be killed, frozen and started again like one that is alone,
//! and leaves as little behind. A cluster says who leads at the moment, as its own nodes see it,
//! and waits within a limit until someone does.
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
//! | [`RedisSentinels`] | 3, and 3 sentinels | 1 s of silence |
//! | [`RedisCluster`] | 3 masters, 3 replicas | 1 s of silence; each key has a leader of its own |

mod mongo_replica_set;
mod nodes;
mod redis_cluster;
mod redis_node;
mod redis_sentinels;
mod slots;

pub use mongo_replica_set::MongoReplicaSet;
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;

//! Servers of which one takes another's place: under sentinels, or in a cluster.

use crate::run::Against;
use qa_servers::cluster::{RedisCluster, RedisSentinels};
use qa_servers::{Error, Server};
use std::time::Duration;

/// What is written. In a cluster, the master is who has this.
pub(super) const KEY: &str = "written";

/// One of the two.
pub(super) enum Replicated {
    Sentinels(RedisSentinels),
    Cluster(RedisCluster),
}

impl Replicated {
    pub(super) async fn start(against: Against) -> Result<Self, Error> {
        match against {
            Against::RedisCluster => RedisCluster::start().await.map(Self::Cluster),
            _ => RedisSentinels::start().await.map(Self::Sentinels),
        }
    }

    pub(super) async fn leader(&self) -> Result<&Server, Error> {
        match self {
            Self::Sentinels(sentinels) => sentinels.leader().await,
            Self::Cluster(cluster) => cluster.leader_of(KEY).await,
        }
    }

    pub(super) async fn hand_over(&self) -> Result<&Server, Error> {
        match self {
            Self::Sentinels(sentinels) => sentinels.hand_over().await,
            Self::Cluster(cluster) => cluster.hand_over(KEY).await,
        }
    }

    pub(super) async fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        match self {
            Self::Sentinels(sentinels) => sentinels.wait_ready(limit).await,
            Self::Cluster(cluster) => cluster.wait_ready(limit).await,
        }
    }

    pub(super) async fn remove(self) {
        match self {
            Self::Sentinels(sentinels) => sentinels.remove().await,
            Self::Cluster(cluster) => cluster.remove().await,
        }
    }

    /// The URL of all who can be asked where the master is, with the logins.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Sentinels(sentinels) => {
                let asked = sentinels.sentinels();
                let (user, password) = (asked[0].user(), asked[0].password());
                let (hosts, service) = (hosts(asked), sentinels.master_name());
                format!(
                    "redis-sentinel://{user}:{password}@{hosts}/0?service={service}\
                     &sentinel_user={user}&sentinel_password={password}"
                )
            }
            Self::Cluster(cluster) => {
                let nodes = cluster.nodes();
                let (user, password) = (nodes[0].user(), nodes[0].password());
                format!("redis-cluster://{user}:{password}@{}", hosts(nodes))
            }
        }
    }
}

fn hosts(servers: &[Server]) -> String {
    let host = |one: &Server| format!("{}:{}", one.host(), one.port());
    servers.iter().map(host).collect::<Vec<_>>().join(",")
}

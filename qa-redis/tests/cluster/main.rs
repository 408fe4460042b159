//! Redis Cluster: every command finds its node, and goes on finding it when the nodes change.

mod changes;
mod commands;
#[path = "../support/mod.rs"]
mod support;
mod tools;

use qa_redis::redis::{self, AsyncCommands, RedisResult};
use qa_redis::{Client, Redis};
use qa_resource_core::{Resource, Settings};
use qa_servers::Server;
use qa_servers::cluster::RedisCluster;
use qa_servers::testing::eventually;
use std::collections::HashMap;
use std::time::Duration;
use support::backend;
use tokio::sync::OnceCell;

const LIMIT: Duration = Duration::from_secs(60);

/// The cluster that the tests share which break nothing.
async fn shared() -> &'static RedisCluster {
    static CLUSTER: OnceCell<RedisCluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| async { RedisCluster::start().await.unwrap() }).await
}

/// The URL of some of its nodes.
fn url_of(nodes: &[Server], query: &str) -> String {
    let (user, password) = (nodes[0].user(), nodes[0].password());
    let hosts: Vec<_> = nodes.iter().map(|one| format!("{}:{}", one.host(), one.port())).collect();
    format!("redis-cluster://{user}:{password}@{}{query}", hosts.join(","))
}

fn url(cluster: &RedisCluster, query: &str) -> String {
    url_of(&cluster.nodes()[..3], query)
}

async fn resource(name: &str, url: &str) -> Resource<Redis> {
    let resource = Resource::new(name, backend(name, url), Settings::default());
    resource.connect().await.unwrap();
    resource
}

/// The port of the server that answers this client of one server.
async fn port(client: &mut Client) -> Option<u16> {
    let config: RedisResult<HashMap<String, u16>> =
        redis::cmd("CONFIG").arg("GET").arg("port").query_async(client).await;
    config.ok()?.remove("port")
}

/// Writes until it is with that server that it works.
async fn follows(resource: &Resource<Redis>, key: &str, leader: &Server) {
    let what = format!("writes go to {}", leader.port());
    eventually(&what, LIMIT, async || {
        let Ok(lease) = resource.try_acquire() else { return false };
        let Ok(mut owner) = lease.dedicated_for(key).await else { return false };
        let config: RedisResult<HashMap<String, u16>> =
            redis::cmd("CONFIG").arg("GET").arg("port").query_async(&mut owner).await;
        let there = config.is_ok_and(|config| config.get("port") == Some(&leader.port()));
        there && lease.clone().set::<_, _, ()>(key, 1).await.is_ok()
    })
    .await;
}

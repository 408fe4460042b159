//! The connections of a resource as its server sees them.

use futures_util::TryStreamExt;
use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis, Rig, Subject, management};
use qa_pool::Settings;
use qa_pool::core::async_trait;
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::redis::redis;
use qa_servers::Server;

/// The resource's name, by which some servers know its connections.
pub(crate) const NAME: &str = "leftover";

/// A subject whose server says who is connected.
#[async_trait]
pub(crate) trait Witness: Subject {
    /// How many connections it sees at the least while the resource is idle.
    const IDLE: usize = 1;

    /// Whether the driver starts something with the first connection of a process and keeps it.
    const KEEPS_FROM_THE_FIRST: bool = false;

    /// How many connections it sees, without those that ask.
    async fn seen(server: &Server) -> usize;
}

/// A connection that asks, of another name.
async fn asking<S: Subject>(server: &Server) -> Rig<S> {
    Rig::connected("asking", &server.url(), Settings::default()).await
}

#[async_trait]
impl Witness for Redis {
    async fn seen(server: &Server) -> usize {
        let rig = asking::<Self>(server).await;
        let lease = rig.group.acquire().await.unwrap();
        let list = redis::cmd("CLIENT").arg("LIST").query_async(&mut lease.clone()).await;
        drop(lease);
        rig.close().await;
        let list: String = list.unwrap();
        list.lines().count() - 1
    }
}

#[async_trait]
impl Witness for MongoDb {
    async fn seen(server: &Server) -> usize {
        let rig = asking::<Self>(server).await;
        let lease = rig.group.acquire().await.unwrap();
        let all = doc! { "$currentOp": { "allUsers": true, "idleConnections": true } };
        let ours = doc! { "$match": { "clientMetadata.application.name": NAME } };
        let found = lease.database("admin").aggregate([all, ours]).await.unwrap();
        let found: Vec<_> = found.try_collect().await.unwrap();
        drop(lease);
        rig.close().await;
        found.len()
    }
}

#[async_trait]
impl Witness for ClickHouse {
    /// It counts the connections that have a request under way.
    const IDLE: usize = 0;

    async fn seen(server: &Server) -> usize {
        let rig = asking::<Self>(server).await;
        let lease = rig.group.acquire().await.unwrap();
        let query = "SELECT toUInt64(value) FROM system.metrics WHERE metric = 'HTTPConnection'";
        let busy = lease.query(query).fetch_one::<u64>().await;
        drop(lease);
        rig.close().await;
        usize::try_from(busy.unwrap()).unwrap() - 1
    }
}

#[async_trait]
impl Witness for RabbitMq {
    /// The one runtime of `async-compat`, a thread, that lapin's threads for I/O borrow.
    const KEEPS_FROM_THE_FIRST: bool = true;

    async fn seen(server: &Server) -> usize {
        let list = management(server, "GET", "connections?columns=name", "").await;
        let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
        list.len()
    }
}

//! What a lease gives.

use crate::cluster::Cluster;
use crate::dedicated::Dedicated;
use crate::link::Counts;
use crate::server::Server;
use crate::way::Way;
use redis::aio::ConnectionLike;
use redis::{
    Cmd, ErrorKind, Pipeline, ProtocolVersion, RedisError, RedisFuture, RedisResult, Value,
};
use std::fmt;
use std::sync::Arc;

/// One connection to Redis, shared by all clones and safe to use from many tasks at once. Where the URL
/// asks for several `connections`, each clone takes the next of them. To a cluster it is one to each
/// of its nodes.
///
/// Every command, pipeline and script of the [`redis`] crate works on it: it is a
/// [`ConnectionLike`]. Each request is bounded by the response timeout (2 s unless the URL says
/// otherwise). A request whose answer does not come in time fails, but may still be applied by the
/// server.
///
/// Commands take `&mut`, so give each task a clone; a clone costs two reference counts. When the
/// connection was replaced or closed, every request fails at once, unsent.
///
/// # On a cluster
/// A command goes to the node that has its keys, as the server itself says of each command where its
/// keys are (`COMMAND`), and follows when the keys have moved (`MOVED`, `ASK`). While a node is away,
/// commands for its keys wait for it or for who takes its place, for the URL's `node_wait` at the longest,
/// and then fail unsent; those for the others' keys are not held up.
///
/// - Commands over many keys that the server can answer in parts (`MGET`, `MSET`, `DEL`, `UNLINK`,
///   `EXISTS`, `TOUCH`) are split by their keys' slots; other commands need all keys in one slot,
///   which a common `{tag}` in their names gives.
/// - Commands about all keys (`DBSIZE`, `KEYS`, `FLUSHALL`, `SCRIPT LOAD`) go to every master, and their
///   answers are put together as the server says (`COMMAND`'s tips).
/// - `SCAN`, `INFO` and the like are about one server: take one of the [`masters`](Self::masters).
/// - A pipeline is split by nodes and its answers come in order. The commands of one key stay in
///   order; of two keys they need not. An atomic one needs all keys in one slot.
/// - What was split is applied in part where a node fails; the outcome is told as unknown.
///
/// # Cancel safety
/// A request may be dropped at any time: its answer is thrown away when it comes, and never given
/// to another request. The server may have applied it.
#[derive(Clone)]
pub struct Client {
    to: To,
}

/// Whom it is a client of.
#[derive(Clone)]
enum To {
    Server(Server),
    Cluster(Cluster),
}

impl From<Server> for Client {
    fn from(server: Server) -> Self {
        Self { to: To::Server(server) }
    }
}

impl From<Cluster> for Client {
    fn from(cluster: Cluster) -> Self {
        Self { to: To::Cluster(cluster) }
    }
}

impl Client {
    /// A connection of the caller's own, for what must not run on the shared one: blocking commands,
    /// `WATCH`, `MULTI` by hand, `SELECT`. It is dialled where none is at rest, and is there for the
    /// next one when it is dropped.
    ///
    /// There are as many as the URL's `dedicated` says (on a cluster, to each master); who comes when
    /// all are lent waits in line, for the URL's `dedicated_wait` at the longest. Nobody waits for a
    /// dial of one's own: what comes back first is lent to who has waited longest.
    ///
    /// They belong to the shared connection and end with it. Keep the lease while you use one, so
    /// that a close waits for you.
    ///
    /// ```no_run
    /// # use qa_redis::{Redis, redis};
    /// # async fn example(resource: qa_resource_core::Resource<Redis>) -> Result<(), Box<dyn std::error::Error>> {
    /// use qa_redis::redis::AsyncCommands;
    /// let lease = resource.acquire().await?;
    /// let mut redis = lease.dedicated().await?;
    /// let order: Option<(String, String)> = redis.blpop("orders", 5.0).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// An I/O error of the kind `TimedOut` where none was to be had in time, with the reason of the
    /// last dial that failed; of the kind `NotConnected` where the shared connection is lost; on a
    /// cluster always: it has to be known [for which keys](Self::dedicated_for).
    ///
    /// # Cancel safety
    /// When the future is dropped, the place in the line is given up, and nothing is lost.
    pub async fn dedicated(&self) -> RedisResult<Dedicated> {
        match &self.to {
            To::Server(server) => server.dedicated().await,
            To::Cluster(_) => Err(of_which_node()),
        }
    }

    /// The same as [`dedicated`](Self::dedicated), to the master that has this key. On a cluster it
    /// is for keys of that one slot: what has moved to another node meanwhile is refused (`MOVED`).
    ///
    /// # Errors
    /// Those of [`dedicated`](Self::dedicated); of the kind `NotConnected` where that master is away.
    ///
    /// # Cancel safety
    /// When the future is dropped, the place in the line is given up, and nothing is lost.
    pub async fn dedicated_for(&self, key: impl AsRef<[u8]>) -> RedisResult<Dedicated> {
        self.server_of(key.as_ref())?.dedicated().await
    }

    /// A client of each master that is connected now, for what is about one server: `SCAN`, `INFO`,
    /// `SLOWLOG`. Without a cluster that is this one.
    ///
    /// ```no_run
    /// # async fn example(client: qa_redis::Client) -> Result<(), qa_redis::redis::RedisError> {
    /// use qa_redis::redis::AsyncCommands;
    /// for mut master in client.masters() {
    ///     let mut keys = master.scan_match::<_, String>("bars:*").await?;
    ///     while let Some(key) = keys.next_item().await {
    ///         println!("{}", key?);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn masters(&self) -> Vec<Self> {
        match &self.to {
            To::Server(server) => vec![server.clone().into()],
            To::Cluster(cluster) => cluster.masters().into_iter().map(Self::from).collect(),
        }
    }

    /// A client of the master that has this key.
    pub(crate) fn master_of(&self, key: &str) -> RedisResult<Self> {
        self.server_of(key.as_bytes()).map(Self::from)
    }

    fn server_of(&self, key: &[u8]) -> RedisResult<Server> {
        match &self.to {
            To::Server(server) => Ok(server.clone()),
            To::Cluster(cluster) => cluster.master_of(key),
        }
    }

    /// The protocol that was agreed on with the server; with a cluster, with the first of its nodes.
    #[must_use]
    pub fn protocol(&self) -> ProtocolVersion {
        match &self.to {
            To::Server(server) => server.protocol(),
            To::Cluster(cluster) => cluster.protocol(),
        }
    }

    /// What this connection has seen so far; where there are several, all that are there now together.
    #[must_use]
    pub fn counts(&self) -> Counts {
        match &self.to {
            To::Server(server) => server.counts(),
            To::Cluster(cluster) => cluster.counts(),
        }
    }

    /// A round trip: with one server over each of its connections, with a cluster to one master.
    pub(crate) async fn ping(&self) -> RedisResult<()> {
        match &self.to {
            To::Server(server) => server.ping().await,
            To::Cluster(cluster) => cluster.ping().await,
        }
    }

    /// A connection that only what must be heard in time uses, for a moment, to who has this key.
    pub(crate) async fn urgent(&self, key: &str) -> RedisResult<Dedicated> {
        self.server_of(key.as_bytes())?.urgent().await
    }

    /// How another connection to the server is made; to that of this key, or to any.
    pub(crate) fn way(&self, key: Option<&str>) -> RedisResult<Arc<Way>> {
        match &self.to {
            To::Server(server) => Ok(server.way()),
            To::Cluster(cluster) => cluster.way(key),
        }
    }

    /// Whether these are kept by one server.
    pub(crate) fn are_together<'a>(&self, mut keys: impl Iterator<Item = &'a str>) -> bool {
        match &self.to {
            To::Server(_) => true,
            To::Cluster(_) => {
                let slot = |key: &str| crate::cluster::slot_of(key.as_bytes());
                let first = keys.next().map(slot);
                keys.all(|key| Some(slot(key)) == first)
            }
        }
    }

    /// Something was refused or lost that may have moved: a cluster is looked at anew.
    pub(crate) fn look_again(&self) {
        if let To::Cluster(cluster) = &self.to {
            cluster.look_again();
        }
    }

    /// Why not all of it can be reached.
    pub(crate) fn impairment(&self) -> Option<String> {
        match &self.to {
            To::Server(_) => None,
            To::Cluster(cluster) => cluster.impairment(),
        }
    }

    /// Resolves when it is impaired, or no longer, other than that.
    pub(crate) async fn impairment_changed(&self, impaired: bool) {
        match &self.to {
            To::Server(_) => std::future::pending().await,
            To::Cluster(cluster) => cluster.impairment_changed(impaired).await,
        }
    }

    pub(crate) async fn lost(&self) -> RedisError {
        match &self.to {
            To::Server(server) => server.lost().await,
            To::Cluster(cluster) => cluster.lost().await,
        }
    }

    pub(crate) async fn close(&self) {
        match &self.to {
            To::Server(server) => server.close().await,
            To::Cluster(cluster) => cluster.close().await,
        }
    }
}

fn of_which_node() -> RedisError {
    let text = "a cluster has many nodes; say for which key with `dedicated_for`";
    (ErrorKind::Client, text).into()
}

impl ConnectionLike for Client {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match &mut self.to {
            To::Server(server) => Box::pin(server.request(command)),
            To::Cluster(cluster) => Box::pin(cluster.request(command)),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match &mut self.to {
            To::Server(server) => Box::pin(server.request_all(pipeline, offset, count)),
            To::Cluster(cluster) => Box::pin(cluster.request_all(pipeline, offset, count)),
        }
    }

    fn get_db(&self) -> i64 {
        match &self.to {
            To::Server(server) => i64::from(server.database()),
            To::Cluster(_) => 0,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            To::Server(server) => f.debug_tuple("Client").field(server).finish(),
            To::Cluster(cluster) => f.debug_tuple("Client").field(cluster).finish(),
        }
    }
}

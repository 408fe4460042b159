//! The backend: how to connect to Redis, ask it for a sign of life, and say goodbye.

use crate::about;
use crate::classify;
use crate::client::Client;
use crate::cluster::{Cluster, Seeds, known_commands};
use crate::options::{Form, Options};
use crate::replicas::Replicas;
use crate::sentinel::Sentinels;
use crate::server::Server;
use crate::tls::Tls;
use crate::way::{Route, Way};
use qa_resource_core::{About, Backend, Class, Result, Target, async_trait};
use redis::{RedisError, RedisResult};
use std::sync::Arc;

/// The URL schemes of this backend.
const SCHEMES: [&str; 6] =
    ["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"];

/// The port of a URL that names none.
pub(crate) fn port(scheme: &str) -> u16 {
    if scheme.ends_with("-sentinel") { 26379 } else { 6379 }
}

/// One Redis server, the master that sentinels name, or a cluster; each server reached over one
/// multiplexed connection.
///
/// The URL is `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS (feature
/// `tls`); what is special in user or password is percent-encoded. Its query may have:
///
/// | key | meaning | default |
/// |---|---|---|
/// | `response_timeout` | limit for one answer, and for each step of the login (`500ms`, `2s`) | `2s`, for the login `4s` |
/// | `max_timeouts` | answers in a row that may fail to come before the connection is replaced | `3` |
/// | `connections` | multiplexed connections that share the work: more than one helps where the server reads with several threads (`io-threads`) and one connection keeps one of them busy | `1` |
/// | `dedicated` | [dedicated](Client::dedicated) connections that there may be at once | `8` |
/// | `dedicated_wait` | limit for waiting for one | `5s` |
/// | `protocol` | `resp3` (with a fall back to RESP2) or `resp2` | `resp3` |
///
/// # Sentinels
/// `redis-sentinel://[[user]:password@]host[:port],host[:port]…[/database]` (`rediss-sentinel://` for
/// TLS, to the sentinels too) names the sentinels, whose port is 26379 unless it's said. User and
/// password are the master's. Its query may have these too:
///
/// | key | meaning | default |
/// |---|---|---|
/// | `service` | what the sentinels call the master | `mymaster` |
/// | `sentinel_user`, `sentinel_password` | the login to the sentinels | none |
/// | `reads` | `replica` has what only reads answered by the master's replicas in turns, as below | `master` |
///
/// All of them are asked with each connect, and whom the majority of those who answer names is the
/// master; it has to say so itself, too (`ROLE`). While a connection lasts one of them is asked each
/// second, so that a master that was replaced is left even if it does not know. A connect goes on
/// while the sentinels name nobody who can be reached, up to 4 s, so that the new master is found as
/// soon as they name it.
///
/// # Cluster
/// `redis-cluster://[[user]:password@]host[:port],host[:port]…` (`rediss-cluster://` for TLS) names some
/// of a cluster's nodes, any of them, which tell of the others; those have to be reachable at the
/// addresses that they announce. Its query may have these too:
///
/// | key | meaning | default |
/// |---|---|---|
/// | `reads` | `replica` has what only reads answered by a master's replicas in turns, as long as one is connected: they may be behind, and a value that was just written may not be there yet | `master` |
/// | `node_wait` | limit for waiting, before a command is sent, until the node that has its keys is connected or their slot is served; `0s` fails at once | `5s` |
///
/// Each node's connection is kept by itself: a node is pinged each second, left when two answers in a
/// row do not come, and dialled again with growing pauses. While one is away the resource is ready, but
/// [impaired](qa_resource_core::Backend::impairment), and commands for its slots wait for `node_wait`
/// until it is back or another has taken its place, which is asked for each quarter of a second. The
/// resource is lost when no master is connected any more, and begins again from the URL.
///
/// # What becomes of a connection
/// A command that runs into the response timeout may still be applied. The connection carries the
/// resource's name, as `CLIENT LIST` shows it. It's replaced when it breaks, when too many answers
/// in a row do not come, and, once it's a second old, when the server answers `READONLY`.
#[derive(Debug)]
pub struct Redis {
    address: String,
    to: To,
}

#[derive(Debug)]
enum To {
    Server(Arc<Way>),
    Cluster(Arc<Seeds>),
}

impl Redis {
    /// Checks everything that the target says. Nothing is dialled.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](qa_resource_core::ErrorKind::Config): another scheme, several hosts of one
    /// server, a path that is not a database number, a cluster's other than 0, a user without a password, an unknown key or a bad value
    /// in the query, or TLS in a build without the feature `tls`.
    pub fn new(target: &Target) -> Result<Self> {
        target.expect_scheme(&SCHEMES)?;
        let scheme = target.endpoint.scheme();
        let options = Options::new(target)?;
        let tls = scheme.starts_with("rediss").then(|| Tls::new(target)).transpose()?;
        let address = target.endpoint.address(port(scheme));
        let route = match &options.form {
            Form::Server => Route::Direct(options.places[0].clone()),
            Form::Sentinels(with) => Route::Sentinels(Box::new(Sentinels::new(
                options.places.clone(),
                with.service.clone(),
                options.for_sentinel(with),
            ))),
            Form::Cluster { .. } => {
                let to = To::Cluster(Arc::new(Seeds::new(options, tls)));
                return Ok(Self { address, to });
            }
        };
        Ok(Self { address, to: To::Server(Arc::new(Way { options, tls, route })) })
    }
}

#[async_trait]
impl Backend for Redis {
    const SYSTEM: &'static str = "redis";

    type Client = Client;
    type Error = RedisError;

    fn address(&self) -> &str {
        &self.address
    }

    async fn connect(&self) -> RedisResult<Client> {
        match &self.to {
            To::Server(way) => Ok(connect_to_server(way).await?.into()),
            To::Cluster(seeds) => Ok(Cluster::connect(seeds).await?.into()),
        }
    }

    /// `PING`, over each connection that everybody uses; of a cluster, whether any master answers.
    async fn ping(&self, client: &Client) -> RedisResult<()> {
        client.ping().await
    }

    /// Closes the connection, whoever still holds a clone of the client: Redis has no goodbye that
    /// could go unheard.
    async fn close(&self, client: Client) -> RedisResult<()> {
        client.close().await;
        Ok(())
    }

    async fn lost(&self, client: &Client) -> RedisError {
        client.lost().await
    }

    /// Of a cluster, which masters are not connected and how many slots have none.
    fn impairment(&self, client: &Client) -> Option<String> {
        client.impairment()
    }

    async fn impairment_changed(&self, client: &Client, impaired: bool) {
        client.impairment_changed(impaired).await;
    }

    /// What `INFO` says; of a cluster, that of one of its masters.
    async fn about(&self, client: &Client) -> RedisResult<About> {
        about::ask(client).await
    }

    fn classify(error: &RedisError) -> Class {
        classify::classify(error)
    }
}

async fn connect_to_server(way: &Arc<Way>) -> RedisResult<Server> {
    let mut sessions = way.open_shared().await?;
    let replicas = if way.options.may_read_replicas() {
        Some(Replicas::start(way, known_commands(&mut sessions[0]).await?))
    } else {
        None
    };
    Ok(Server::with_replicas(sessions, way, replicas))
}

//! The backend: how to connect to Redis, ask it for a sign of life, and say goodbye.

use crate::classify;
use crate::client::Client;
use crate::options::Options;
use crate::tls::Tls;
use crate::way::Way;
use qa_resource_core::{Backend, Class, Result, Target, async_trait};
use redis::{RedisError, RedisResult};
use std::sync::Arc;

/// The port of a URL that names none.
pub(crate) const PORT: u16 = 6379;

/// One Redis server, reached over one multiplexed connection.
///
/// The URL is `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS (feature
/// `tls`); what is special in user or password is percent-encoded. Its query may have:
///
/// | key | meaning | default |
/// |---|---|---|
/// | `response_timeout` | limit for one answer, and for each step of the login (`500ms`, `2s`) | `2s`, for the login `4s` |
/// | `max_timeouts` | answers in a row that may fail to come before the connection is replaced | `3` |
/// | `dedicated` | [dedicated](Client::dedicated) connections that there may be at once | `8` |
/// | `dedicated_wait` | limit for waiting for one | `5s` |
/// | `protocol` | `resp3` (with a fall back to RESP2) or `resp2` | `resp3` |
///
/// A command that runs into the response timeout may still be applied. The connection carries the
/// resource's name, as `CLIENT LIST` shows it. It's replaced when it breaks, when too many answers
/// in a row do not come, and, once it's a second old, when the server answers `READONLY`.
#[derive(Debug)]
pub struct Redis {
    address: String,
    way: Arc<Way>,
}

impl Redis {
    /// Checks everything that the target says. Nothing is dialled.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](qa_resource_core::ErrorKind::Config): another scheme, several hosts, a
    /// path that is not a database number, a user without a password, an unknown key or a bad value
    /// in the query, or `rediss` in a build without the feature `tls`.
    pub fn new(target: &Target) -> Result<Self> {
        target.expect_scheme(&["redis", "rediss"])?;
        let options = Options::new(target)?;
        let secure = target.endpoint.scheme() == "rediss";
        let tls = secure.then(|| Tls::new(target, &options.host)).transpose()?;
        Ok(Self { address: target.endpoint.address(PORT), way: Arc::new(Way { options, tls }) })
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
        Ok(Client::new(self.way.open(None).await?, &self.way))
    }

    /// `PING`, over the connection that everybody uses.
    async fn ping(&self, client: &Client) -> RedisResult<()> {
        redis::cmd("PING").exec_async(&mut client.clone()).await
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

    fn classify(error: &RedisError) -> Class {
        classify::classify(error)
    }
}

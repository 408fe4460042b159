//! What a lease gives.

use crate::dedicated::{Dedicated, Pool};
use crate::link::{Counts, Link};
use crate::session::Session;
use crate::way::Way;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, ProtocolVersion, RedisError, RedisFuture, RedisResult, Value};
use std::fmt;
use std::sync::Arc;

/// One connection to Redis, shared by all clones and safe to use from many tasks at once.
///
/// Every command, pipeline and script of the [`redis`] crate works on it: it is a
/// [`ConnectionLike`]. Each request is bounded by the response timeout (2 s unless the URL says
/// otherwise). A request whose answer does not come in time fails, but may still be applied by the
/// server.
///
/// Commands take `&mut`, so give each task a clone; a clone costs two reference counts. When the
/// connection was replaced or closed, every request fails at once, unsent.
///
/// # Cancel safety
/// A request may be dropped at any time: its answer is thrown away when it comes, and never given
/// to another request. The server may have applied it.
#[derive(Clone)]
pub struct Client {
    connection: MultiplexedConnection,
    shared: Arc<Shared>,
    protocol: ProtocolVersion,
    database: u32,
}

/// What the clones of a client share.
struct Shared {
    link: Link,
    dedicated: Arc<Pool>,
}

impl Client {
    pub(crate) fn new(session: Session, way: &Arc<Way>) -> Self {
        let Session { connection, link, protocol } = session;
        let dedicated = Pool::new(Arc::clone(way), link.token());
        let shared = Arc::new(Shared { link, dedicated });
        Self { connection, shared, protocol, database: way.options.database }
    }

    /// A connection of the caller's own, for what must not run on the shared one: blocking commands,
    /// `WATCH`, `MULTI` by hand, `SELECT`. It is dialled where none is at rest, and is there for the
    /// next one when it is dropped.
    ///
    /// There are as many as the URL's `dedicated` says; who comes when all are lent waits in line,
    /// for the URL's `dedicated_wait` at the longest. Nobody waits for a dial of one's own: what comes
    /// back first is lent to who has waited longest.
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
    /// last dial that failed; of the kind `NotConnected` where the shared connection is lost.
    ///
    /// # Cancel safety
    /// When the future is dropped, the place in the line is given up, and nothing is lost.
    pub async fn dedicated(&self) -> RedisResult<Dedicated> {
        Dedicated::take(&self.shared.dedicated).await
    }

    /// The protocol that was agreed on with the server.
    #[must_use]
    pub fn protocol(&self) -> ProtocolVersion {
        self.protocol
    }

    /// What this connection has seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { dedicated: self.shared.dedicated.size(), ..self.shared.link.counts() }
    }

    pub(crate) async fn lost(&self) -> RedisError {
        self.shared.link.lost().await
    }

    pub(crate) async fn close(&self) {
        self.shared.link.close().await;
        self.shared.dedicated.closed().await;
    }

    async fn request(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.shared.link.admit()?;
        let result = self.connection.send_packed_command(command).await;
        match &result {
            Ok(answer) if !command.is_no_response() => {
                self.shared.link.answered();
                self.shared.link.inspect(answer);
            }
            Ok(_) => {}
            Err(error) => self.shared.link.failed(error),
        }
        result
    }

    async fn request_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.shared.link.admit()?;
        let result = self.connection.send_packed_commands(pipeline, offset, count).await;
        match &result {
            Ok(answers) => {
                self.shared.link.answered();
                for answer in answers {
                    self.shared.link.inspect(answer);
                }
            }
            Err(error) => self.shared.link.failed(error),
        }
        result.and_then(|answers| refused_transaction(pipeline, answers))
    }
}

/// Where `EXEC` itself is refused, redis would say "invalid response" and drop what the server said.
fn refused_transaction(pipeline: &Pipeline, answers: Vec<Value>) -> RedisResult<Vec<Value>> {
    match answers.last() {
        Some(Value::ServerError(error)) if pipeline.is_transaction() => Err(error.clone().into()),
        _ => Ok(answers),
    }
}

impl ConnectionLike for Client {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.request(command))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.request_all(pipeline, offset, count))
    }

    fn get_db(&self) -> i64 {
        i64::from(self.database)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection: _, shared, protocol, database } = self;
        f.debug_struct("Client")
            .field("database", database)
            .field("protocol", protocol)
            .field("link", &shared.link)
            .field("dedicated", &shared.dedicated)
            .finish()
    }
}

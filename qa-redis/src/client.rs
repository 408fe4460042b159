//! What a lease gives.

use crate::link::{Counts, Link};
use crate::options::Options;
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
    link: Arc<Link>,
    protocol: ProtocolVersion,
    database: u32,
}

impl Client {
    pub(crate) fn new(
        (connection, driver): (MultiplexedConnection, impl Future<Output = ()> + Send + 'static),
        protocol: ProtocolVersion,
        options: &Options,
    ) -> Self {
        let link = Arc::new(Link::spawn(driver, options));
        Self { connection, link, protocol, database: options.database }
    }

    /// The protocol that was agreed on with the server.
    #[must_use]
    pub fn protocol(&self) -> ProtocolVersion {
        self.protocol
    }

    /// What this connection has seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.link.counts()
    }

    pub(crate) async fn lost(&self) -> RedisError {
        self.link.lost().await
    }

    pub(crate) async fn close(&self) {
        self.link.close().await;
    }

    async fn request(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.link.admit()?;
        let result = self.connection.send_packed_command(command).await;
        match &result {
            Ok(answer) if !command.is_no_response() => {
                self.link.answered();
                self.link.inspect(answer);
            }
            Ok(_) => {}
            Err(error) => self.link.failed(error),
        }
        result
    }

    async fn request_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.link.admit()?;
        let result = self.connection.send_packed_commands(pipeline, offset, count).await;
        match &result {
            Ok(answers) => {
                self.link.answered();
                for answer in answers {
                    self.link.inspect(answer);
                }
            }
            Err(error) => self.link.failed(error),
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
        let Self { connection: _, link, protocol, database } = self;
        f.debug_struct("Client")
            .field("database", database)
            .field("protocol", protocol)
            .field("link", link)
            .finish()
    }
}

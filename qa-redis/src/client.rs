//! What a lease gives.

use crate::dedicated::{Dedicated, Pool};
use crate::link::{Counts, Link};
use crate::session::Session;
use crate::way::Way;
use futures_util::future::{join_all, select_all, try_join_all};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, ProtocolVersion, RedisError, RedisFuture, RedisResult, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One connection to Redis, shared by all clones and safe to use from many tasks at once. Where the URL
/// asks for several `connections`, each clone takes the next of them.
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
pub struct Client {
    connection: MultiplexedConnection,
    /// Which of the connections it is.
    line: usize,
    shared: Arc<Shared>,
}

/// More than one, so that a slow answer does not hold up the next.
const URGENT: usize = 2;

/// One of the connections that share the work.
struct Line {
    connection: MultiplexedConnection,
    link: Link,
}

/// What the clones of a client share.
struct Shared {
    /// At least one.
    lines: Vec<Line>,
    /// Whose turn it is, where there are several.
    turn: AtomicUsize,
    protocol: ProtocolVersion,
    database: u32,
    dedicated: Arc<Pool>,
    /// For what must not wait behind anything else.
    urgent: Arc<Pool>,
}

/// The next of the connections, where there are several.
impl Clone for Client {
    fn clone(&self) -> Self {
        let lines = &self.shared.lines;
        let line = match lines.len() {
            1 => 0,
            many => self.shared.turn.fetch_add(1, Ordering::Relaxed) % many,
        };
        let (connection, shared) = (lines[line].connection.clone(), Arc::clone(&self.shared));
        Self { connection, line, shared }
    }
}

impl Client {
    /// Of at least one session.
    pub(crate) fn new(sessions: Vec<Session>, way: &Arc<Way>) -> Self {
        let protocol = sessions[0].protocol;
        let connection = sessions[0].connection.clone();
        let mut lines = Vec::with_capacity(sessions.len());
        for Session { connection, link, master, .. } in sessions {
            if let Some(master) = master {
                let way = Arc::clone(way);
                link.replaced_when(async move { way.replaced(&master).await });
            }
            lines.push(Line { connection, link });
        }
        let ended = || lines[0].link.token();
        let dedicated = Pool::new(Arc::clone(way), ended(), way.options.dedicated);
        let urgent = Pool::new(Arc::clone(way), ended(), URGENT);
        let (turn, database) = (AtomicUsize::new(0), way.options.database);
        let shared = Shared { lines, turn, protocol, database, dedicated, urgent };
        Self { connection, line: 0, shared: Arc::new(shared) }
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
        self.shared.protocol
    }

    /// What this connection has seen so far; where there are several, all of them together.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let each = self.shared.lines.iter().map(|line| line.link.counts());
        let all = each.fold(Counts::default(), |all, one| Counts {
            requests: all.requests + one.requests,
            timeouts: all.timeouts + one.timeouts,
            ..all
        });
        Counts { dedicated: self.shared.dedicated.size(), ..all }
    }

    /// `PING`, over each of the connections.
    pub(crate) async fn ping(&self) -> RedisResult<()> {
        let each = (0..self.shared.lines.len()).map(|line| async move {
            let connection = self.shared.lines[line].connection.clone();
            let mut client = Self { connection, line, shared: Arc::clone(&self.shared) };
            redis::cmd("PING").exec_async(&mut client).await
        });
        try_join_all(each).await.map(drop)
    }

    fn link(&self) -> &Link {
        &self.shared.lines[self.line].link
    }

    /// A connection that only what must be heard in time uses, for a moment.
    pub(crate) async fn urgent(&self) -> RedisResult<Dedicated> {
        Dedicated::take(&self.shared.urgent).await
    }

    /// How another connection to the same server is made.
    pub(crate) fn way(&self) -> Arc<Way> {
        self.shared.dedicated.way()
    }

    /// Where one is lost all of them are replaced.
    pub(crate) async fn lost(&self) -> RedisError {
        let each = self.shared.lines.iter().map(|line| Box::pin(line.link.lost()));
        select_all(each).await.0
    }

    pub(crate) async fn close(&self) {
        join_all(self.shared.lines.iter().map(|line| line.link.close())).await;
        self.shared.dedicated.closed().await;
        self.shared.urgent.closed().await;
    }

    async fn request(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.link().admit()?;
        let result = self.connection.send_packed_command(command).await;
        match &result {
            Ok(answer) if !command.is_no_response() => {
                self.link().answered();
                self.link().inspect(answer);
            }
            Ok(_) => {}
            Err(error) => self.link().failed(error),
        }
        result
    }

    async fn request_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.link().admit()?;
        let result = self.connection.send_packed_commands(pipeline, offset, count).await;
        match &result {
            Ok(answers) => {
                self.link().answered();
                for answer in answers {
                    self.link().inspect(answer);
                }
            }
            Err(error) => self.link().failed(error),
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
        i64::from(self.shared.database)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection: _, line, shared } = self;
        f.debug_struct("Client")
            .field("database", &shared.database)
            .field("protocol", &shared.protocol)
            .field("connections", &shared.lines.len())
            .field("link", &shared.lines[*line].link)
            .field("dedicated", &shared.dedicated)
            .finish()
    }
}

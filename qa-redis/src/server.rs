//! The connections to one server: those that share the work, and those that are lent.

use crate::classify::classify;
use crate::dedicated::{Dedicated, Pool};
use crate::link::{Counts, Link};
use crate::replicas::Replicas;
use crate::session::Session;
use crate::way::Way;
use futures_util::future::{join_all, select_all, try_join_all};
use qa_resource_core::{ErrorKind, Outcome};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, ProtocolVersion, RedisError, RedisResult, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More than one, so that a slow answer does not hold up the next.
const URGENT: usize = 2;

/// The connections to one server, of which each clone takes the next.
pub(crate) struct Server {
    connection: MultiplexedConnection,
    /// Which of the connections it is.
    line: usize,
    shared: Arc<Shared>,
}

/// One of the connections that share the work.
struct Line {
    connection: MultiplexedConnection,
    link: Link,
}

/// What the clones share.
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
    /// Who answers what only reads, where that is not this server.
    replicas: Option<Replicas>,
}

/// The next of the connections, where there are several.
impl Clone for Server {
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

impl Server {
    /// Of at least one session.
    pub(crate) fn new(sessions: Vec<Session>, way: &Arc<Way>) -> Self {
        Self::with_replicas(sessions, way, None)
    }

    /// The same, of a master whose replicas may answer what only reads.
    pub(crate) fn with_replicas(
        sessions: Vec<Session>,
        way: &Arc<Way>,
        replicas: Option<Replicas>,
    ) -> Self {
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
        let shared = Shared { lines, turn, protocol, database, dedicated, urgent, replicas };
        Self { connection, line: 0, shared: Arc::new(shared) }
    }

    /// A connection of the caller's own.
    pub(crate) async fn dedicated(&self) -> RedisResult<Dedicated> {
        Dedicated::take(&self.shared.dedicated).await
    }

    /// A connection that only what must be heard in time uses, for a moment.
    pub(crate) async fn urgent(&self) -> RedisResult<Dedicated> {
        Dedicated::take(&self.shared.urgent).await
    }

    pub(crate) fn protocol(&self) -> ProtocolVersion {
        self.shared.protocol
    }

    pub(crate) fn database(&self) -> u32 {
        self.shared.database
    }

    /// All connections together.
    pub(crate) fn counts(&self) -> Counts {
        let each = self.shared.lines.iter().map(|line| line.link.counts());
        let dedicated = self.shared.dedicated.size();
        each.fold(Counts { dedicated, ..Counts::default() }, Counts::and)
    }

    /// `PING`, over each of the connections.
    pub(crate) async fn ping(&self) -> RedisResult<()> {
        let each = (0..self.shared.lines.len()).map(|line| async move {
            let connection = self.shared.lines[line].connection.clone();
            let mut server = Self { connection, line, shared: Arc::clone(&self.shared) };
            server.request(&redis::cmd("PING")).await?.extract_error().map(drop)
        });
        try_join_all(each).await.map(drop)
    }

    fn link(&self) -> &Link {
        &self.shared.lines[self.line].link
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
        if let Some(replicas) = &self.shared.replicas {
            // Its nodes are servers, too.
            Box::pin(replicas.close()).await;
        }
    }

    pub(crate) async fn request(&mut self, command: &Cmd) -> RedisResult<Value> {
        if let Some(replicas) = &self.shared.replicas {
            self.link().admit()?;
            if let Some(mut replica) = replicas.for_command(command) {
                match Box::pin(replica.request(command)).await {
                    Err(error) if was_not_sent(&error) => {}
                    answer => return answer,
                }
            }
        }
        self.request_here(command).await
    }

    async fn request_here(&mut self, command: &Cmd) -> RedisResult<Value> {
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

    pub(crate) async fn request_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        if let Some(replicas) = &self.shared.replicas {
            self.link().admit()?;
            if let Some(mut replica) = replicas.for_pipeline(pipeline) {
                match Box::pin(replica.request_all(pipeline, offset, count)).await {
                    Err(error) if was_not_sent(&error) => {}
                    answers => return answers,
                }
            }
        }
        self.request_all_here(pipeline, offset, count).await
    }

    async fn request_all_here(
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

/// The connection was lost before, or the server does not answer yet: somebody else may.
fn was_not_sent(error: &RedisError) -> bool {
    let class = classify(error);
    class.kind == ErrorKind::Connect && class.outcome == Outcome::NotApplied
}

/// Where `EXEC` itself is refused, redis would say "invalid response" and drop what the server said.
fn refused_transaction(pipeline: &Pipeline, answers: Vec<Value>) -> RedisResult<Vec<Value>> {
    match answers.last() {
        Some(Value::ServerError(error)) if pipeline.is_transaction() => Err(error.clone().into()),
        _ => Ok(answers),
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection: _, line, shared } = self;
        f.debug_struct("Server")
            .field("database", &shared.database)
            .field("protocol", &shared.protocol)
            .field("connections", &shared.lines.len())
            .field("link", &shared.lines[*line].link)
            .field("dedicated", &shared.dedicated)
            .field("replicas", &shared.replicas)
            .finish()
    }
}

//! Connections of one's own.

mod patience;
mod pool;
mod shelf;

pub(crate) use pool::Pool;

use crate::fate::{gone, timed_out};
use crate::session::Session;
use patience::Patience;
use pool::Condition;
use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A connection that nobody else uses, lent by [`Client::dedicated`](crate::Client::dedicated).
///
/// Everything may run on it: it is a [`ConnectionLike`]. Each answer is awaited for the response
/// timeout, and for as long as the command itself has the server wait on top of that: a `BLPOP` of
/// 30 s for 32 s. One without a time (`BLPOP key 0`) ends with the shared connection at the latest,
/// which is lost seconds after the server froze.
///
/// When this is dropped, the connection is reset (`RESET` and a new login, in the background), so
/// that whoever has it next finds no transaction, nothing watched, no subscription and the
/// resource's own database. It is closed instead where that can't be done (servers before 6.2, users
/// without the right), where an answer did not come, and where a request was dropped before its
/// answer.
///
/// # Cancel safety
/// A request may be dropped at any time; the connection is closed then. What a blocking command
/// took from a list at that moment may be lost: where that matters, have the server keep it
/// (`BLMOVE`) or use a stream with a group.
pub struct Dedicated {
    /// `None` once it was given back.
    session: Option<Session>,
    pool: Arc<Pool>,
    limit: Duration,
    database: u32,
    used: bool,
    /// A request is under way, or its answer did not come.
    unanswered: bool,
}

impl Dedicated {
    pub(crate) async fn take(pool: &Arc<Pool>) -> RedisResult<Self> {
        let session = pool.take().await?;
        let options = pool.options();
        Ok(Self {
            session: Some(session),
            pool: Arc::clone(pool),
            limit: options.response_timeout,
            database: options.database,
            used: false,
            unanswered: false,
        })
    }

    /// What was said on it has left nothing behind, so that it need not be reset.
    pub(crate) fn is_as_it_was(&mut self) {
        self.used = false;
    }

    async fn request(&mut self, command: &Cmd) -> RedisResult<Value> {
        let patience = Patience::of(command);
        self.bounded(patience, async |session| {
            session.connection.send_packed_command(command).await
        })
        .await
    }

    async fn request_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let patience = pipeline.cmd_iter().map(Patience::of).fold(Patience::None, Patience::and);
        self.bounded(patience, async |session| {
            session.connection.send_packed_commands(pipeline, offset, count).await
        })
        .await
    }

    /// One request, within what the server may take for it.
    async fn bounded<T>(
        &mut self,
        patience: Patience,
        request: impl AsyncFnOnce(&mut Session) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let Some(session) = self.session.as_mut().filter(|session| !session.link.is_given_up())
        else {
            return Err(gone());
        };
        (self.used, self.unanswered) = (true, true);
        let limit = patience.limit(self.limit);
        let request = request(session);
        let result = match limit {
            Some(limit) => timeout(limit, request).await.unwrap_or_else(|_| Err(silent(limit))),
            None => request.await,
        };
        self.unanswered = result.as_ref().is_err_and(RedisError::is_io_error);
        result
    }
}

fn silent(limit: Duration) -> RedisError {
    timed_out(format!("the answer did not come within {limit:?}"))
}

impl ConnectionLike for Dedicated {
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

impl Drop for Dedicated {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        let condition = match self {
            _ if session.link.is_given_up() => Condition::Broken,
            Self { unanswered: true, .. } => Condition::Broken,
            Self { used: true, .. } => Condition::Used,
            _ => Condition::Unused,
        };
        self.pool.give_back(session, condition);
    }
}

impl fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session: _, pool, limit: _, database, used, unanswered } = self;
        f.debug_struct("Dedicated")
            .field("database", database)
            .field("used", used)
            .field("unanswered", unanswered)
            .field("pool", pool)
            .finish()
    }
}

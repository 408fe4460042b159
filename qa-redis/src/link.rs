//! What the clones of a client share: the fate of their connection, and what is counted on it.

use crate::fate::{EndsWithTask, Fate, Reason, gone};
use crate::options::Options;
use redis::{RedisError, RedisResult, ServerError, ServerErrorKind, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// A connection is not given up as read-only before this age, so that writing to a replica on
/// purpose makes errors, but not a storm of reconnects.
const READ_ONLY_AGE: Duration = Duration::from_secs(1);

/// What one connection has seen so far; all of it starts at zero with each connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Commands and pipelines that were sent, pings included.
    pub requests: u64,
    /// Those whose answer did not come in time.
    pub timeouts: u64,
    /// Dedicated connections that there are now: lent, at rest, and being dialled.
    pub dedicated: usize,
}

impl Counts {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            timeouts: self.timeouts + other.timeouts,
            dedicated: self.dedicated + other.dedicated,
        }
    }
}

/// Ends the connection when the last clone of the client is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    fate: Arc<Fate>,
    driver: AbortHandle,
    requests: AtomicU64,
    timeouts: AtomicU64,
    timeouts_in_a_row: AtomicU32,
    max_timeouts: u32,
    since: Instant,
}

impl Link {
    /// Drives the connection on a task that this link owns.
    ///
    /// That it's our task and not the driver's is what makes two things possible that the driver
    /// has no call for: to hear at once that the connection broke, and to end it while clones of
    /// the client are still held.
    pub(crate) fn spawn(
        driver: impl Future<Output = ()> + Send + 'static,
        options: &Options,
    ) -> Self {
        let fate = Arc::new(Fate::default());
        let end = EndsWithTask(Arc::clone(&fate));
        let task = tokio::spawn(async move {
            let _end = end;
            driver.await;
        });
        Self {
            fate,
            driver: task.abort_handle(),
            requests: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            timeouts_in_a_row: AtomicU32::new(0),
            max_timeouts: options.max_timeouts,
            since: Instant::now(),
        }
    }

    /// Gives the connection up when that happens. The task ends with the connection.
    pub(crate) fn replaced_when(&self, replaced: impl Future<Output = ()> + Send + 'static) {
        let fate = Arc::clone(&self.fate);
        tokio::spawn(async move {
            if fate.token().run_until_cancelled(replaced).await.is_some() {
                fate.seal(Reason::Replaced);
            }
        });
    }

    /// Lets a request through, unless the connection is given up.
    pub(crate) fn admit(&self) -> RedisResult<()> {
        if self.fate.is_sealed() {
            return Err(gone());
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The server answered, whatever it said.
    pub(crate) fn answered(&self) {
        // Reading is cheap for many tasks at once; writing is not, and seldom needed.
        if self.timeouts_in_a_row.load(Ordering::Relaxed) != 0 {
            self.timeouts_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// The request failed.
    pub(crate) fn failed(&self, error: &RedisError) {
        if error.is_timeout() {
            self.timeouts.fetch_add(1, Ordering::Relaxed);
            let in_a_row = self.timeouts_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
            if in_a_row >= self.max_timeouts {
                self.fate.seal(Reason::Silent);
            }
            return;
        }
        if let Some(errors) = error.clone().into_server_errors() {
            errors.iter().for_each(|(_, error)| self.refused(error));
        }
    }

    /// Looks at a server's answer for what concerns the connection and not the command alone.
    pub(crate) fn inspect(&self, answer: &Value) {
        if let Value::ServerError(error) = answer {
            self.refused(error);
        }
    }

    fn refused(&self, error: &ServerError) {
        let read_only = error.kind() == Some(ServerErrorKind::ReadOnly);
        if read_only && self.since.elapsed() >= READ_ONLY_AGE {
            self.fate.seal(Reason::ReadOnly);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Ordering::Relaxed),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            dedicated: 0,
        }
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.fate.is_sealed()
    }

    /// Cancelled when the connection is given up.
    pub(crate) fn token(&self) -> CancellationToken {
        self.fate.token()
    }

    pub(crate) async fn lost(&self) -> RedisError {
        self.fate.lost().await.error()
    }

    /// Ends the connection and waits until its socket is closed.
    pub(crate) async fn close(&self) {
        self.fate.seal(Reason::Closed);
        self.driver.abort();
        self.fate.ended().await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

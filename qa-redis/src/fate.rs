//! Whether a connection lives, and if not, what it died of.

use redis::{RedisError, ServerErrorKind};
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio_util::sync::CancellationToken;

/// Why a connection is given up. The first reason stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// The socket broke, the server hung up, or what it sent was no Redis protocol.
    Broken = 1,
    /// Too many answers in a row did not come.
    Silent = 2,
    /// The server refused a write because it's read-only: it's no longer the master.
    ReadOnly = 3,
    /// We closed it.
    Closed = 4,
    /// The sentinels name another master.
    Replaced = 5,
}

impl Reason {
    const ALL: [Self; 5] =
        [Self::Broken, Self::Silent, Self::ReadOnly, Self::Closed, Self::Replaced];

    /// What the supervisor is told.
    pub(crate) fn error(self) -> RedisError {
        match self {
            Self::Broken => io_error(io::ErrorKind::ConnectionReset, "the connection broke"),
            Self::Silent => io_error(
                io::ErrorKind::TimedOut,
                "several answers in a row did not come in time; the connection counts as dead",
            ),
            Self::ReadOnly => RedisError::from((
                redis::ErrorKind::Server(ServerErrorKind::ReadOnly),
                "the server refuses writes; it may have been replaced as the master",
            )),
            Self::Closed => gone(),
            Self::Replaced => {
                io_error(io::ErrorKind::ConnectionAborted, "the sentinels name another master")
            }
        }
    }
}

/// The error of a command that was never sent, because its connection is given up.
pub(crate) fn gone() -> RedisError {
    io_error(
        io::ErrorKind::NotConnected,
        "this connection was closed, and the command not sent; take a new lease",
    )
}

/// Something did not come in time.
pub(crate) fn timed_out(text: String) -> RedisError {
    RedisError::from(io::Error::new(io::ErrorKind::TimedOut, text))
}

fn io_error(kind: io::ErrorKind, text: &'static str) -> RedisError {
    RedisError::from(io::Error::new(kind, text))
}

/// Shared by the clones of a client and by the task that drives their connection.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    /// 0 while the connection is good: an atomic, because every command looks at it.
    reason: AtomicU8,
    lost: CancellationToken,
    ended: CancellationToken,
}

impl Fate {
    pub(crate) fn is_sealed(&self) -> bool {
        self.reason.load(Ordering::Relaxed) != 0
    }

    fn reason(&self) -> Option<Reason> {
        let reason = self.reason.load(Ordering::Acquire);
        Reason::ALL.into_iter().find(|known| *known as u8 == reason)
    }

    /// Gives the connection up.
    pub(crate) fn seal(&self, reason: Reason) {
        let won =
            self.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Relaxed);
        if won.is_ok() {
            self.lost.cancel();
        }
    }

    /// Cancelled when the connection is given up.
    pub(crate) fn token(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Resolves when the connection is given up.
    pub(crate) async fn lost(&self) -> Reason {
        self.lost.cancelled().await;
        self.reason().unwrap_or(Reason::Broken)
    }

    /// Resolves when the socket is closed.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// Lives in the task that drives the connection, behind the socket: whatever ends the task, its
/// own end or an abort, is known at once.
pub(crate) struct EndsWithTask(pub(crate) std::sync::Arc<Fate>);

impl Drop for EndsWithTask {
    fn drop(&mut self) {
        self.0.seal(Reason::Broken);
        self.0.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let fate = Fate::default();
        assert!(!fate.is_sealed() && fate.reason().is_none());
        for reason in [Reason::Silent, Reason::Closed, Reason::Broken] {
            fate.seal(reason);
            assert_eq!(fate.lost().await, Reason::Silent);
        }
    }

    #[tokio::test]
    async fn the_end_of_the_task_is_known_even_when_it_is_aborted() {
        let fate = Arc::new(Fate::default());
        let guard = EndsWithTask(Arc::clone(&fate));
        let task = tokio::spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        task.abort();
        fate.ended().await;
        assert_eq!(fate.lost().await, Reason::Broken);
    }
}

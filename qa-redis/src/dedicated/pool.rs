//! The connections behind it: dialled when somebody waits, reset or closed when they come back.

use super::shelf::Shelf;
use crate::dial::within;
use crate::fate::{gone, timed_out};
use crate::options::Options;
use crate::session::{self, Session};
use crate::way::{Until, Way};
use qa_resource_core::Backoff;
use redis::{RedisError, RedisResult};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// So many are dialled at once: while many wait, those that come back serve most of them.
const DIALS: usize = 2;

/// The pause after a dial that failed, while somebody waits.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The dedicated connections that belong to one shared connection, and end with it.
pub(crate) struct Pool {
    way: Arc<Way>,
    shelf: Shelf<Session>,
    until: Until,
    /// Where a connection is dropped there may be none.
    runtime: Handle,
    last_failure: Mutex<Option<String>>,
}

impl Pool {
    /// Of so many at the most. Within a runtime. Dials nothing yet.
    pub(crate) fn new(way: Arc<Way>, ended: CancellationToken, most: usize) -> Arc<Self> {
        let shelf = Shelf::new(most, DIALS);
        let (runtime, last_failure) = (Handle::current(), Mutex::default());
        Arc::new(Self { way, shelf, until: Until::new(ended), runtime, last_failure })
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.until.tasks.spawn_on(task, &self.runtime);
    }

    /// The next connection, within the limit for waiting.
    pub(super) async fn take(self: &Arc<Self>) -> RedisResult<Session> {
        let limit = self.way.options.dedicated_wait;
        let ended = self.until.ended.cancelled();
        tokio::select! {
            biased;
            () = ended => Err(gone()),
            taken = timeout(limit, self.alive()) => match taken {
                Ok(session) => session.ok_or_else(gone),
                Err(_) => Err(self.none_in_time(limit)),
            },
        }
    }

    /// The next one that nobody has closed meanwhile.
    async fn alive(self: &Arc<Self>) -> Option<Session> {
        loop {
            let session = self.shelf.take(|| self.dial()).await?;
            if !session.link.is_given_up() {
                return Some(session);
            }
            self.shelf.discard();
        }
    }

    /// Dials as many as are wanted, each in a task.
    fn dial(self: &Arc<Self>) {
        if self.until.ended.is_cancelled() {
            return;
        }
        for _ in 0..self.shelf.wanted() {
            let pool = Arc::clone(self);
            self.spawn(async move {
                let mut order = Order { pool: &pool, made: None };
                tokio::select! {
                    biased;
                    () = pool.until.ended.cancelled() => {}
                    made = pool.made() => order.made = made,
                }
            });
        }
    }

    /// A new one, as long as somebody waits for it.
    async fn made(&self) -> Option<Session> {
        let backoff = Backoff::new(PAUSE, LONGEST_PAUSE);
        let mut pause = None;
        loop {
            match self.way.open(Some(&self.until)).await {
                Ok(session) => return Some(session),
                Err(error) => self.note(&error),
            }
            let next = backoff.next(pause, fastrand::f64());
            sleep(*pause.insert(next)).await;
            if self.shelf.waiting() == 0 {
                return None;
            }
        }
    }

    fn note(&self, error: &RedisError) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    /// Takes one back: as new after a reset, and not at all where it can't be reset.
    pub(super) fn give_back(self: &Arc<Self>, session: Session, condition: Condition) {
        match condition {
            Condition::Unused => self.shelf.give(session),
            Condition::Broken => self.discard(session),
            Condition::Used => {
                let pool = Arc::clone(self);
                self.spawn(async move {
                    let mut back = Back { pool: &pool, session: None };
                    tokio::select! {
                        biased;
                        () = pool.until.ended.cancelled() => {}
                        reset = pool.reset(session) => back.session = reset,
                    }
                });
            }
        }
    }

    async fn reset(&self, mut session: Session) -> Option<Session> {
        let reset = async {
            let options = self.way.options.with_login().await?;
            session::reset(&mut session, &options).await
        };
        within(self.way.options.response_timeout, "it was not reset", reset).await.ok()?;
        Some(session)
    }

    /// Closes one, and makes another where it is waited for.
    fn discard(self: &Arc<Self>, session: Session) {
        drop(session);
        self.shelf.discard();
        self.dial();
    }

    pub(crate) fn way(&self) -> Arc<Way> {
        Arc::clone(&self.way)
    }

    pub(super) fn options(&self) -> &Options {
        &self.way.options
    }

    /// How many there are.
    pub(crate) fn size(&self) -> usize {
        self.shelf.all()
    }

    /// Waits until all of them are closed, once the shared connection is.
    pub(crate) async fn closed(&self) {
        drop(self.shelf.close());
        self.until.tasks.close();
        self.until.tasks.wait().await;
    }

    fn none_in_time(&self, limit: Duration) -> RedisError {
        let most = self.way.options.dedicated;
        let failure = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = failure.map(|failure| format!("; the last dial that failed: {failure}"));
        timed_out(format!(
            "none of {most} dedicated connections was to be had within {limit:?}; hold them for \
             less long, or raise `dedicated` in the URL{}",
            last.unwrap_or_default()
        ))
    }
}

/// How a connection comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Unused,
    Used,
    /// It is closed, or an answer is still to come.
    Broken,
}

/// One that is to be made: also where the task that makes it is aborted, it is accounted for.
struct Order<'a> {
    pool: &'a Arc<Pool>,
    made: Option<Session>,
}

impl Drop for Order<'_> {
    fn drop(&mut self) {
        match self.made.take() {
            Some(session) => self.pool.shelf.made(session),
            None => self.pool.shelf.not_made(),
        }
        // Others may wait, and this may have been the one that stood for all of them.
        self.pool.dial();
    }
}

/// One that comes back.
struct Back<'a> {
    pool: &'a Arc<Pool>,
    session: Option<Session>,
}

impl Drop for Back<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.shelf.give(session);
            return;
        }
        self.pool.shelf.discard();
        self.pool.dial();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, waiting) = (self.shelf.all(), self.shelf.waiting());
        f.debug_struct("Pool")
            .field("size", &size)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

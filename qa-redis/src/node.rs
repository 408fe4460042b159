//! One of several servers: connected for as long as it is wanted, and anew whenever that ends.

use crate::fate::timed_out;
use crate::place::Place;
use crate::server::Server;
use crate::way::Way;
use arc_swap::ArcSwapOption;
use qa_resource_core::Backoff;
use redis::{RedisError, RedisResult};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often a node is asked whether it lives, and how long that may take.
const PULSE: Duration = Duration::from_secs(1);

/// So many answers in a row may fail to come.
const MISSED: u32 = 2;

/// The pause after an attempt that failed.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Who is to hear what becomes of a node.
pub(crate) trait Interested: Send + Sync + 'static {
    /// It came or went.
    fn changed(&self);
    /// Its connections were lost, after they had been there.
    fn lost(&self, node: &Node, cause: &RedisError);
    /// An answer did not come.
    fn in_doubt(&self);
}

/// A node and our connections to it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) way: Arc<Way>,
    live: ArcSwapOption<Server>,
    /// Why it is not connected.
    trouble: Mutex<Option<RedisError>>,
    /// Its last answer did not come: another may be about to take its place.
    in_doubt: AtomicBool,
    /// It is no longer wanted.
    pub(crate) stop: CancellationToken,
}

impl Node {
    pub(crate) fn new(place: Place, way: Way, stop: CancellationToken) -> Self {
        let (live, trouble) = (ArcSwapOption::empty(), Mutex::default());
        Self { place, way: Arc::new(way), live, trouble, in_doubt: AtomicBool::new(false), stop }
    }

    /// Our connections to it, if it is connected.
    pub(crate) fn server(&self) -> Option<Server> {
        self.live.load().as_deref().cloned()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.load().is_some()
    }

    /// Whether it is connected and answers.
    pub(crate) fn is_well(&self) -> bool {
        self.is_live() && !self.in_doubt.load(Ordering::Relaxed)
    }

    /// Why it is not connected, once that is known.
    pub(crate) fn trouble(&self) -> Option<RedisError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_in(&self, trouble: Option<RedisError>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Keeps it connected until it is no longer wanted.
    pub(crate) async fn keep(self: Arc<Self>, interested: Arc<impl Interested>) {
        // It is large, and there is a task of it for each node.
        let connected = Box::pin(self.connected_again_and_again(&*interested));
        self.stop.run_until_cancelled(connected).await;
        if let Some(server) = self.live.swap(None) {
            server.close().await;
        }
    }

    async fn connected_again_and_again(&self, interested: &impl Interested) {
        let backoff = Backoff::new(PAUSE, LONGEST_PAUSE);
        let mut pause = None;
        loop {
            match self.way.open_shared().await {
                Ok(sessions) => {
                    pause = None;
                    let error = self.connected(Server::new(sessions, &self.way), interested).await;
                    interested.lost(self, &error);
                    self.is_in(Some(error));
                }
                Err(error) => self.is_in(Some(error)),
            }
            interested.changed();
            let next = backoff.next(pause, fastrand::f64());
            sleep(*pause.insert(next)).await;
        }
    }

    /// Serves until it is lost, and closes what was lost.
    async fn connected(&self, server: Server, interested: &impl Interested) -> RedisError {
        self.is_in(None);
        self.live.store(Some(Arc::new(server.clone())));
        interested.changed();
        let error = tokio::select! {
            error = server.lost() => error,
            error = self.silent(&server, interested) => error,
        };
        self.live.store(None);
        self.in_doubt.store(false, Ordering::Relaxed);
        server.close().await;
        error
    }

    /// Resolves when the server does not answer any more.
    async fn silent(&self, server: &Server, interested: &impl Interested) -> RedisError {
        let mut missed = 0;
        loop {
            sleep(PULSE.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            let answer = answers(server).await;
            self.in_doubt.store(answer.is_err(), Ordering::Relaxed);
            let Err(error) = answer else {
                missed = 0;
                continue;
            };
            missed += 1;
            if missed == MISSED {
                return error;
            }
            interested.in_doubt();
        }
    }
}

async fn answers(server: &Server) -> RedisResult<()> {
    let unanswered = |_| Err(timed_out(format!("it did not answer within {PULSE:?}")));
    timeout(PULSE, server.ping()).await.unwrap_or_else(unanswered)
}

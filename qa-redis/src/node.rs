//! One node: connected for as long as it is wanted, and anew whenever that ends.

use super::state::Shared;
use crate::fate::timed_out;
use crate::place::Place;
use crate::server::Server;
use crate::way::Way;
use arc_swap::ArcSwapOption;
use qa_resource_core::Backoff;
use redis::{RedisError, RedisResult};
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

/// A node and our connections to it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) way: Arc<Way>,
    live: ArcSwapOption<Server>,
    /// Why it is not connected.
    trouble: Mutex<Option<RedisError>>,
    /// It is no longer wanted.
    pub(super) stop: CancellationToken,
}

impl Node {
    pub(super) fn new(place: Place, way: Way, stop: CancellationToken) -> Self {
        let (live, trouble) = (ArcSwapOption::empty(), Mutex::default());
        Self { place, way: Arc::new(way), live, trouble, stop }
    }

    /// Our connections to it, if it is connected.
    pub(super) fn server(&self) -> Option<Server> {
        self.live.load().as_deref().cloned()
    }

    pub(super) fn is_live(&self) -> bool {
        self.live.load().is_some()
    }

    /// Why it is not connected, once that is known.
    pub(super) fn trouble(&self) -> Option<RedisError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_in(&self, trouble: Option<RedisError>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Keeps it connected until it is no longer wanted.
    pub(super) async fn keep(self: Arc<Self>, shared: Arc<Shared>) {
        // It is large, and there is a task of it for each node.
        let connected = Box::pin(self.connected_again_and_again(&shared));
        self.stop.run_until_cancelled(connected).await;
        if let Some(server) = self.live.swap(None) {
            server.close().await;
        }
    }

    async fn connected_again_and_again(&self, shared: &Shared) {
        let backoff = Backoff::new(PAUSE, LONGEST_PAUSE);
        let mut pause = None;
        loop {
            match self.way.open_shared().await {
                Ok(sessions) => {
                    pause = None;
                    let error = self.connected(Server::new(sessions, &self.way), shared).await;
                    shared.node_was_lost(&self.place, &error);
                    self.is_in(Some(error));
                }
                Err(error) => self.is_in(Some(error)),
            }
            shared.node_changed();
            let next = backoff.next(pause, fastrand::f64());
            sleep(*pause.insert(next)).await;
        }
    }

    /// Serves until it is lost, and closes what was lost.
    async fn connected(&self, server: Server, shared: &Shared) -> RedisError {
        self.is_in(None);
        self.live.store(Some(Arc::new(server.clone())));
        shared.node_changed();
        let error = tokio::select! {
            error = server.lost() => error,
            error = silent(&server) => error,
        };
        self.live.store(None);
        server.close().await;
        error
    }
}

/// Resolves when the server does not answer any more.
async fn silent(server: &Server) -> RedisError {
    let mut missed = 0;
    loop {
        sleep(PULSE.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        let Err(error) = answers(server).await else {
            missed = 0;
            continue;
        };
        missed += 1;
        if missed == MISSED {
            return error;
        }
    }
}

async fn answers(server: &Server) -> RedisResult<()> {
    let unanswered = |_| Err(timed_out(format!("it did not answer within {PULSE:?}")));
    timeout(PULSE, server.ping()).await.unwrap_or_else(unanswered)
}

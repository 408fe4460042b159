//! One task per resource that connects it, notices its loss, brings it back and ends it.

use crate::dial::Permit;
use crate::shared::Shared;
use crate::snapshot::Change;
use crate::{
    Backend, Backoff, ErrorKind, Recovery, Result, State, dial, ending, leaks, spans, vigil,
};
use futures_util::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

pub(crate) struct Supervisor<B: Backend> {
    pub(crate) shared: Arc<Shared<B>>,
    /// The client that is to be said goodbye to: the live one, or a lost one that heals itself.
    pub(crate) held: Option<B::Client>,
    /// While a fresh client is made beside it and held: the live one.
    pub(crate) leaving: Option<B::Client>,
    /// How long the connection lived that was lost last; zero where it was left for another reason.
    pub(crate) lived: Duration,
    /// Goodbyes to lost clients that are under way.
    pub(crate) retired: TaskTracker,
}

/// Starts the supervisor of a resource on the current runtime.
pub(crate) fn spawn<B: Backend>(shared: Arc<Shared<B>>, runtime: &tokio::runtime::Handle) {
    runtime.spawn(async move {
        let _end = EndsWithTask(Arc::clone(&shared));
        let watch = leaks::watch(Arc::clone(&shared));
        tokio::select! {
            () = Supervisor::new(shared).run() => {}
            () = watch => {}
        }
    });
}

/// Closes the resource where its supervisor is dropped before its time (the runtime is shut down,
/// or a backend panicked), so that nobody waits for a task that is gone.
struct EndsWithTask<B: Backend>(Arc<Shared<B>>);

impl<B: Backend> Drop for EndsWithTask<B> {
    fn drop(&mut self) {
        if self.0.state() != State::Closed {
            self.0.force([crate::Forced::Abandoned]);
            let _ = self.0.apply(Change::Close);
            self.0.finish();
        }
    }
}

impl<B: Backend> Supervisor<B> {
    fn new(shared: Arc<Shared<B>>) -> Self {
        let (lived, retired) = (Duration::ZERO, TaskTracker::new());
        Self { shared, held: None, leaving: None, lived, retired }
    }

    /// The delays as they are set at this moment.
    pub(crate) fn backoff(&self) -> Backoff {
        let settings = self.shared.settings();
        Backoff::new(settings.backoff_floor, settings.backoff_cap)
    }

    async fn run(mut self) {
        loop {
            match self.shared.state() {
                State::Idle => self.shared.left(State::Idle).await,
                State::Connecting => {
                    self.until_told_otherwise(State::Connecting, Self::first_connect).await;
                }
                State::Ready => self.until_told_otherwise(State::Ready, Self::stand_by).await,
                State::Reconnecting => {
                    self.until_told_otherwise(State::Reconnecting, Self::reconnect).await;
                }
                State::Draining => return ending::end(self).await,
                State::Closed => return,
            }
        }
    }

    /// Does `work` for as long as the state is `state`: a close drops it wherever it is.
    async fn until_told_otherwise(&mut self, state: State, work: impl AsyncFnOnce(&mut Self)) {
        let shared = Arc::clone(&self.shared);
        tokio::select! {
            biased;
            () = shared.left(state) => {}
            () = work(self) => {}
        }
    }

    /// The first connect: gives up after its attempts, its time, or a permanent error.
    async fn first_connect(&mut self) {
        let settings = self.shared.all_settings();
        let deadline = Instant::now() + settings.connect_deadline;
        let mut delay = None;
        for attempt in 1u32.. {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = settings.connect_timeout.min(left);
            let Err(error) = self.attempt(None, limit).await else { return };
            let next = self.backoff().next(delay, fastrand::f64());
            let over = attempt >= settings.connect_attempts || Instant::now() + next >= deadline;
            if over || !error.kind().is_transient() {
                let _ = self.shared.apply(Change::GaveUp(error.spent()));
                return;
            }
            delay = Some(next);
            sleep(next).await;
        }
    }

    /// One attempt, from dial to an answer, and as many more pings as the settings ask of a
    /// reconnect; on success the resource is ready. To dial without a permit waits in line for one.
    pub(crate) async fn attempt(&mut self, permit: Option<Permit>, limit: Duration) -> Result<()> {
        if let Err(error) = self.try_once(permit, limit).await {
            // What a driver can't heal by itself either, a login that is refused, takes another client.
            let heals = B::RECOVERY == Recovery::Driver && error.kind().is_transient();
            if !heals || self.shared.state() == State::Connecting {
                self.retire_held();
            }
            self.shared.attempt_failed(&error);
            return Err(error);
        }
        // What was asked for before this connection was there is done.
        let _ = self.shared.renew.notified().now_or_never();
        if let Some(client) = self.held.clone() {
            // Refused where a close came first; then the goodbye is said to what is held.
            let _ = self.shared.apply(Change::Connected(client));
        }
        Ok(())
    }

    pub(crate) async fn try_once(&mut self, permit: Option<Permit>, limit: Duration) -> Result<()> {
        let permit = match permit {
            // The driver dials by itself; a ping takes no leave.
            None if self.held.is_some() => None,
            None => Some(self.line_up().await?),
            permit => permit,
        };
        let began = Instant::now();
        let attempt = self.shared.snapshot.load().attempts + 1;
        let span = spans::connect(&self.shared, attempt);
        let dialled = self.dial(limit).instrument(span.clone()).await;
        dialled.inspect_err(|error| spans::failed(&span, error))?;
        drop(span);
        drop(permit);
        self.shared.meter.connect_took(began.elapsed());
        self.prove().await
    }

    /// Waits for leave to dial.
    async fn line_up(&self) -> Result<Permit> {
        let limit = self.shared.settings().connect_deadline;
        let permit = timeout(limit, dial::permit()).await;
        permit.ok().flatten().ok_or_else(|| {
            let message = format!(
                "cannot connect to {}: too many connects are under way in this process",
                self.shared.server()
            );
            self.shared.error(ErrorKind::Overloaded, message)
        })
    }

    /// Connects (unless the driver heals what is held) and pings where that can tell more, within `limit`.
    async fn dial(&mut self, limit: Duration) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let work = async {
            let fresh = self.held.is_none();
            if fresh {
                // Held as soon as it is there, so that a ping that fails or is dropped does not
                // leave a client that nobody closes.
                self.held = Some(shared.backend.connect().await?);
            }
            match &self.held {
                Some(client) if !(fresh && shared.backend.connect_proves()) => {
                    shared.backend.ping(client).await
                }
                _ => Ok(()),
            }
        };
        let doing = "cannot connect to";
        if let Ok(done) = timeout(limit, work).await {
            return done.map_err(|error| shared.driver_error(doing, error));
        }
        // What is left of a longer limit has digits that nobody wants to read.
        let odd = Duration::from_nanos(u64::from(limit.subsec_nanos() % 1_000_000));
        let (server, limit) = (shared.server(), limit.saturating_sub(odd));
        let message = format!("{doing} {server}: no answer within {limit:?}");
        Err(shared.error(ErrorKind::Timeout, message))
    }

    /// The further pings that the settings ask for before a reconnected resource is ready again.
    async fn prove(&mut self) -> Result<()> {
        if self.shared.state() != State::Reconnecting {
            return Ok(());
        }
        let pings = self.shared.settings().health_successes;
        for _ in 1..pings {
            let interval = self.shared.settings().health_interval;
            sleep(interval).await;
            if let Some(client) = &self.held {
                vigil::ping(&self.shared, client).await?;
            }
        }
        Ok(())
    }

    /// Says goodbye to what is held, in the background and bounded: a reconnect doesn't wait for a
    /// server that is gone.
    pub(crate) fn retire_held(&mut self) {
        let lost = self.held.take();
        self.retire(lost, Duration::ZERO, CancellationToken::new());
    }

    /// The same to a client that is good, once nobody holds a lease on it any more, but no later than
    /// what is under way may take.
    pub(crate) fn retire_after(&mut self, old: Option<B::Client>, ended: CancellationToken) {
        self.retire(old, self.shared.settings().operation_timeout, ended);
    }

    fn retire(&mut self, client: Option<B::Client>, limit: Duration, ended: CancellationToken) {
        let Some(client) = client else { return };
        let shared = Arc::clone(&self.shared);
        self.retired.spawn(async move {
            if !limit.is_zero() {
                let _ = timeout(limit, ended.cancelled()).await;
            }
            let goodbye = shared.backend.close(client);
            let limit = shared.settings().close_timeout;
            if !matches!(timeout(limit, goodbye).await, Ok(Ok(()))) {
                tracing::debug!(resource = %shared.name, "a lost connection did not hear the goodbye");
            }
        });
    }
}

//! One server, managed.

use crate::attachment::{Attachment, Stage};
use crate::deadline::Deadline;
use crate::shared::Shared;
use crate::snapshot::Change;
use crate::transition::Watch;
use crate::{
    Backend, CloseReport, Error, ErrorKind, Forced, Lease, Reading, Result, Settings, State,
    Status, ending, supervisor,
};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long after its limit a close is waited for: the supervisor ends by itself at the limit, and
/// this is what a busy runtime may need to run it.
const GRACE: Duration = Duration::from_millis(200);

/// How long the close of a resource may take whose last handle was dropped.
const DROPPED_LIMIT: Duration = Duration::from_secs(5);

/// One server, managed: connected when it is first wanted, watched, brought back when it is lost,
/// and closed in order. Cheap to clone; all clones are the same resource.
///
/// Nothing touches the network before [`connect`](Self::connect) or [`acquire`](Self::acquire).
/// One supervisor task owns connecting and recovery, on the runtime of the first call that needs
/// it. Close it when you are done: where the last handle is dropped without, the supervisor closes
/// it in the background, and a warning and the metric `qa.resource.dropped` say so.
pub struct Resource<B: Backend>(Arc<Handle<B>>);

/// The last one of these to go closes the resource.
struct Handle<B: Backend>(Arc<Shared<B>>);

impl<B: Backend> Resource<B> {
    /// A resource that is not connected yet. No I/O.
    pub fn new(name: impl Into<Arc<str>>, backend: B, settings: Settings) -> Self {
        Self(Arc::new(Handle(Arc::new(Shared::new(name.into(), backend, settings)))))
    }

    /// Connects, and waits until the resource is ready.
    ///
    /// Where it is being reconnected, waits for that, at most
    /// [`connect_deadline`](Settings::connect_deadline).
    ///
    /// # Errors
    /// The last attempt's error where the first connect gave up (marked as spent); `Timeout` where
    /// a reconnect takes too long; `Closed` where the resource is closing or closed; `Config` where
    /// there is no Tokio runtime.
    ///
    /// # Cancel safety
    /// The connect goes on in the background where this is dropped.
    pub async fn connect(&self) -> Result<()> {
        let shared = self.shared();
        let mut changes = shared.changes();
        self.start()?;
        let deadline = Instant::now() + shared.settings.connect_deadline;
        loop {
            match shared.state() {
                State::Ready => return Ok(()),
                State::Idle => return Err(self.gave_up()),
                State::Draining | State::Closed => return Err(shared.closed_error()),
                State::Connecting => drop(changes.recv().await),
                State::Reconnecting => {
                    if timeout_at(deadline, changes.recv()).await.is_err() {
                        return Err(self.not_in_time(shared.settings.connect_deadline));
                    }
                }
            }
        }
    }

    /// A lease, as soon as the resource is ready. Connects it where nobody has yet.
    ///
    /// With a live connection this takes no lock, allocates nothing and asks nobody.
    ///
    /// # Errors
    /// `Timeout` where the resource is not ready within
    /// [`acquire_timeout`](Settings::acquire_timeout), with the state, the attempts and the last
    /// cause; the connect's error where it gives up meanwhile; `Closed`.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Lease<B>>> + Send + '_ {
        let site = Location::caller();
        async move {
            match Lease::take(self.shared(), site) {
                Ok(lease) => Ok(lease),
                Err(_) => self.wait_for_lease(site, self.shared().settings.acquire_timeout).await,
            }
        }
    }

    /// A lease now, or an error.
    ///
    /// # Errors
    /// `Connect` where the resource is not ready, with the state and the last cause; `Closed`.
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Lease<B>> {
        let site = Location::caller();
        Lease::take(self.shared(), site).map_err(|state| match state {
            State::Draining | State::Closed => self.shared().closed_error(),
            _ => self.shared().error(ErrorKind::Connect, self.why_not_ready()),
        })
    }

    pub(crate) async fn wait_for_lease(
        &self,
        site: &'static Location<'static>,
        limit: Duration,
    ) -> Result<Lease<B>> {
        let shared = self.shared();
        let began = Instant::now();
        let mut changes = shared.changes();
        if shared.state() == State::Idle {
            self.start()?;
        }
        loop {
            match Lease::take(shared, site) {
                Ok(lease) => {
                    shared.meter.waited(began.elapsed());
                    return Ok(lease);
                }
                Err(State::Draining | State::Closed) => return Err(shared.closed_error()),
                Err(State::Idle) => return Err(self.gave_up()),
                Err(_) => {}
            }
            if timeout_at(began + limit, changes.recv()).await.is_err() {
                shared.meter.wait_timed_out();
                return Err(self.not_in_time(limit));
            }
        }
    }

    /// The resource's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared().name
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared().state()
    }

    /// The settings that it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared().settings
    }

    /// The backend that it was made with.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.shared().backend
    }

    /// How it stands. No I/O.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = self.shared();
        let snapshot = shared.snapshot.load();
        Status {
            name: Arc::clone(&shared.name),
            system: B::SYSTEM,
            address: shared.backend.address().to_owned(),
            state: snapshot.state(),
            in_state: snapshot.since.elapsed(),
            generation: snapshot.generation,
            attempts: snapshot.attempts,
            leases: shared.gate.inside(),
            health: shared.reading(),
            last_error: snapshot.last_error.clone(),
            stats: shared.counters.read(shared.register.uses()),
        }
    }

    /// The last reading of its health, with its age. No I/O.
    #[must_use]
    pub fn health(&self) -> Reading {
        self.shared().reading()
    }

    /// Follows its state changes from now on.
    #[must_use]
    pub fn watch(&self) -> Watch<B> {
        Watch::new(Arc::clone(self.shared()))
    }

    /// Pings now instead of at the next interval, and gives the reading. Where the resource is not
    /// ready, gives the last reading at once. Bounded by
    /// [`health_timeout`](Settings::health_timeout).
    ///
    /// # Cancel safety
    /// The ping is made all the same.
    pub async fn check_now(&self) -> Reading {
        let shared = self.shared();
        let mut readings = shared.readings();
        if shared.state() == State::Ready {
            shared.check.notify_one();
            // Twice the limit: a ping may be under way, and the one that was asked for follows it.
            let limit = shared.settings.health_timeout * 2 + GRACE;
            let _ = timeout(limit, readings.changed()).await;
        }
        shared.reading()
    }

    /// Leaves the present connection and makes a fresh one. Leases that are out keep the old
    /// client, which is closed within [`close_timeout`](Settings::close_timeout). Nothing happens
    /// unless the resource is ready.
    pub fn reconnect(&self) {
        if self.state() == State::Ready {
            self.shared().renew.notify_one();
        }
    }

    /// Attaches what has to end before this resource: a consumer, a publisher, a batcher. It is
    /// held weakly. Where the resource is already quiescing, it is quiesced at once.
    pub fn attach(&self, attachment: &Arc<dyn Attachment>) {
        self.shared().attachments.add(attachment);
        if self.shared().quiescing.is_cancelled() {
            attachment.quiesce();
        }
    }

    /// Fired when nothing new is to be begun on this resource: it, or its pool, is closing.
    #[must_use]
    pub fn quiescing(&self) -> &CancellationToken {
        &self.shared().quiescing
    }

    /// Step one of a shutdown: attachments take nothing new in. Leases are still given.
    pub fn quiesce(&self) {
        let shared = self.shared();
        shared.quiescing.cancel();
        for attachment in shared.attachments.live() {
            attachment.quiesce();
        }
    }

    /// Step two of a shutdown: drains the attachments of one stage within `limit`. What is left is
    /// told by the report of the close.
    ///
    /// # Cancel safety
    /// Attachments whose drain was dropped are not drained again.
    pub async fn drain(&self, stage: Stage, limit: Duration) {
        ending::drain(self.shared(), stage, &Deadline::after(limit), Duration::ZERO).await;
    }

    /// Step three, and all of them where the first two were not taken: ends the resource for good
    /// within `limit`.
    ///
    /// Attachments are quiesced and drained, new leases are refused, those that are out are waited
    /// for, and goodbye is said. What does not end in time is forced and named in the report.
    /// Idempotent: later calls give the same report, and one with a shorter limit shortens the
    /// first.
    ///
    /// # Cancel safety
    /// The close goes on where this is dropped.
    pub async fn close(&self, limit: Duration) -> CloseReport {
        let shared = self.shared();
        self.0.begin_close(limit);
        let closed = async {
            let mut changes = shared.changes();
            while shared.state() != State::Closed {
                let _ = changes.recv().await;
            }
        };
        let _ = timeout(limit + GRACE, closed).await;
        shared.report.get().cloned().unwrap_or_else(|| CloseReport {
            resource: Arc::clone(&shared.name),
            system: B::SYSTEM,
            took: limit + GRACE,
            forced: vec![Forced::Unfinished],
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<B>> {
        &self.0.0
    }

    /// Asks for the connection, and starts the supervisor where this is the first time.
    fn start(&self) -> Result<()> {
        let shared = self.shared();
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            Error::config(
                Arc::clone(&shared.name),
                "there is no Tokio runtime here; call this inside one",
            )
        })?;
        let _ = shared.apply(Change::Connect);
        if !shared.supervised.swap(true, Ordering::AcqRel) {
            supervisor::spawn(Arc::clone(shared), &runtime);
        }
        Ok(())
    }

    /// Why the first connect gave up.
    fn gave_up(&self) -> Error {
        let last = self.shared().snapshot.load().last_error.clone();
        last.unwrap_or_else(|| self.shared().error(ErrorKind::Connect, self.why_not_ready()))
    }

    fn not_in_time(&self, limit: Duration) -> Error {
        let message = format!("not ready within {limit:?}: {}", self.why_not_ready());
        self.shared().error(ErrorKind::Timeout, message)
    }

    fn why_not_ready(&self) -> String {
        let Status { state, in_state, attempts, leases, last_error, .. } = self.status();
        let server = self.shared().server();
        let cause = last_error.as_ref().map_or("none", Error::message);
        format!(
            "{server} is {state} for {in_state:.1?}, {attempts} attempts failed, {leases} leases are out, last cause: {cause}"
        )
    }
}

impl<B: Backend> Handle<B> {
    /// Sets the deadline and, the first time, the close in motion.
    fn begin_close(&self, limit: Duration) {
        let shared = &self.0;
        let first = shared.close_began.set(Instant::now()).is_ok();
        shared.close_by.shorten(limit);
        if !first {
            return;
        }
        shared.quiescing.cancel();
        let attachments = shared.attachments.live();
        for attachment in &attachments {
            attachment.quiesce();
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !attachments.is_empty() => {
                runtime.spawn(ending::drain_then_close(Arc::clone(shared)));
            }
            _ => {
                let _ = shared.apply(Change::Close);
            }
        }
        if !shared.supervised.swap(true, Ordering::AcqRel) {
            // Never connected: there is nothing to wait for.
            let _ = shared.apply(Change::Close);
            shared.finish();
        }
    }
}

impl<B: Backend> Drop for Handle<B> {
    fn drop(&mut self) {
        if self.0.close_began.get().is_some() {
            return;
        }
        if self.0.supervised.load(Ordering::Acquire) && !self.0.state().is_ending() {
            self.0.meter.dropped();
            tracing::warn!(resource = %self.0.name, "dropped without being closed; closing in the background");
        }
        self.begin_close(DROPPED_LIMIT);
    }
}

impl<B: Backend> Clone for Resource<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Backend> std::fmt::Debug for Resource<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resource")
            .field("name", &self.name())
            .field("system", &B::SYSTEM)
            .field("address", &self.backend().address())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

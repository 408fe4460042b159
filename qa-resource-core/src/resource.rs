//! One server, managed.

use crate::closing::GRACE;
use crate::shared::Shared;
use crate::snapshot::Change;
use crate::transition::Watch;
use crate::{
    About, Backend, Error, ErrorKind, EventBus, Lease, Reading, Result, Settings, State, Status,
    supervisor,
};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// One server, managed: connected when it is first wanted, watched, brought back when it is lost,
/// and closed in order. Cheap to clone; all clones are the same resource.
///
/// Nothing touches the network before [`connect`](Self::connect) or [`acquire`](Self::acquire).
/// One supervisor task owns connecting and recovery, on the runtime of the first call that needs
/// it. Close it when you are done: where the last handle is dropped without, the supervisor closes
/// it in the background, and a warning and the metric `qa.resource.dropped` say so.
pub struct Resource<B: Backend>(pub(crate) Arc<Handle<B>>);

/// The last one of these to go closes the resource.
pub(crate) struct Handle<B: Backend>(pub(crate) Arc<Shared<B>>);

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
        let deadline = Instant::now() + shared.settings().connect_deadline;
        loop {
            match shared.state() {
                State::Ready => return Ok(()),
                State::Idle => return Err(self.gave_up()),
                State::Draining | State::Closed => return Err(shared.closed_error()),
                State::Connecting => drop(changes.recv().await),
                State::Reconnecting => {
                    if timeout_at(deadline, changes.recv()).await.is_err() {
                        return Err(self.not_in_time(shared.settings().connect_deadline));
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
        self.acquire_at(Location::caller())
    }

    pub(crate) async fn acquire_at(&self, site: &'static Location<'static>) -> Result<Lease<B>> {
        match Lease::take(self.shared(), site) {
            Ok(lease) => Ok(lease),
            Err(_) => self.wait_for_lease(site, self.shared().settings().acquire_timeout).await,
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

    /// Waits until a lease can be had; connects where nobody has yet.
    pub(crate) async fn wait_for_lease(
        &self,
        site: &'static Location<'static>,
        limit: Duration,
    ) -> Result<Lease<B>> {
        let _waiting = self.shared().meter.waiting();
        self.until(limit, || Lease::take(self.shared(), site)).await
    }

    /// Waits until `take` has what only a ready resource gives; connects where nobody has yet.
    pub(crate) async fn until<T>(
        &self,
        limit: Duration,
        take: impl Fn() -> std::result::Result<T, State>,
    ) -> Result<T> {
        let shared = self.shared();
        let began = Instant::now();
        let mut changes = shared.changes();
        if shared.state() == State::Idle {
            self.start()?;
        }
        loop {
            match take() {
                Ok(taken) => return Ok(taken),
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

    /// The settings that are in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.shared().all_settings()
    }

    /// Has other settings be in force from now on, without a new connection. What is under way goes
    /// on with those that it began with; [`max_in_flight`](Settings::max_in_flight) counts from the
    /// next connection on, which [`reconnect`](Self::reconnect) makes.
    ///
    /// ```
    /// # use qa_resource_core::{Backend, Resource, Settings};
    /// # use std::time::Duration;
    /// fn be_patient<B: Backend>(resource: &Resource<B>) {
    ///     let patience = Duration::from_secs(30);
    ///     let settings = Settings::clone(&resource.settings());
    ///     resource.set_settings(Settings { acquire_timeout: patience, ..settings });
    /// }
    /// ```
    pub fn set_settings(&self, settings: Settings) {
        self.shared().set_settings(settings);
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
            last_outage: snapshot.last_outage,
            health: shared.reading(),
            last_error: snapshot.last_error.clone(),
            stats: shared.counters.read(shared.gate.register().uses()),
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

    /// Tells its state changes to `bus` too, from now on and until it is closed.
    pub fn report_to(&self, bus: &EventBus) {
        self.shared().report_to(bus);
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
            let limit = shared.settings().health_timeout * 2 + GRACE;
            let _ = timeout(limit, readings.changed()).await;
        }
        shared.reading()
    }

    /// Asks its server about itself: the version, and what its clock shows. Bounded by
    /// [`health_timeout`](Settings::health_timeout).
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire), for a resource that is not ready; `Timeout`; what the
    /// server refuses.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn about(&self) -> Result<About> {
        let (shared, lease) = (self.shared(), self.try_acquire()?);
        let limit = shared.settings().health_timeout;
        let late = || {
            let message = format!("{} did not say who it is within {limit:?}", shared.server());
            shared.error(ErrorKind::Timeout, message)
        };
        let answer = timeout(limit, shared.backend.about(&lease)).await.map_err(|_| late())?;
        answer.map_err(|error| shared.driver_error("asking about itself", error))
    }

    /// Makes a fresh connection, with the login and the certificates that are good now, and has it
    /// follow the present one, which is used until then: nobody waits. Leases that are out keep the old
    /// client, which is closed when they have come back, or after
    /// [`operation_timeout`](Settings::operation_timeout). Nothing happens unless the resource is
    /// ready.
    ///
    /// Where the fresh one is refused for good (a wrong login), the old one stays, a warning is logged,
    /// and it is tried again slowly. Where it is not to be had otherwise within
    /// [`connect_deadline`](Settings::connect_deadline), the old one is left: it may be in the way.
    pub fn reconnect(&self) {
        if self.state() == State::Ready {
            self.shared().renew.notify_one();
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<B>> {
        &self.0.0
    }

    /// Asks for the connection, and starts the supervisor where this is the first time.
    pub(crate) fn start(&self) -> Result<()> {
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

    pub(crate) fn why_not_ready(&self) -> String {
        let Status { state, in_state, attempts, leases, last_error, .. } = self.status();
        let server = self.shared().server();
        let cause = last_error.as_ref().map_or("none", Error::message);
        format!(
            "{server} is {state} for {in_state:.1?}, {attempts} attempts failed, {leases} leases are out, last cause: {cause}"
        )
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

//! What a resource's handles, leases and supervisor share, and the one function that changes it.

use crate::admission::Places;
use crate::attachment::Attachments;
use crate::deadline::Deadline;
use crate::gate::Gate;
use crate::group::Board;
use crate::live::{Ended, Gone, Live, Share, Shares};
use crate::metrics::Meter;
use crate::probation::Probation;
use crate::snapshot::{Change, Phase, Snapshot};
use crate::stats::Counters;
use crate::{
    Backend, Budget, CloseReport, Error, ErrorKind, EventBus, Forced, Health, Reading, Settings,
    State, Transition,
};
use arc_swap::{ArcSwap, Guard};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Transitions that a watcher may lag behind before it misses the oldest.
pub(crate) const HISTORY: usize = 256;

pub(crate) struct Shared<B: Backend> {
    pub(crate) name: Arc<str>,
    pub(crate) backend: B,
    settings: ArcSwap<Settings>,
    pub(crate) gate: CachePadded<Gate>,
    pub(crate) snapshot: ArcSwap<Snapshot<B>>,
    pub(crate) counters: Counters,
    pub(crate) meter: Meter,
    pub(crate) budget: Budget,
    pub(crate) attachments: Attachments,
    /// Fired when attachments and the application are to take nothing new in.
    pub(crate) quiescing: CancellationToken,
    /// By when the resource has to be closed, once somebody wants that.
    pub(crate) close_by: Deadline,
    pub(crate) close_began: OnceLock<Instant>,
    pub(crate) forced: Mutex<Vec<Forced>>,
    pub(crate) report: OnceLock<CloseReport>,
    /// Asks for a ping now.
    pub(crate) check: Notify,
    /// Asks for a fresh connection.
    pub(crate) renew: Notify,
    pub(crate) supervised: AtomicBool,
    reading: watch::Sender<Reading>,
    probation: Mutex<Probation>,
    changes: broadcast::Sender<Transition>,
    /// Groups of several that it is a member of.
    groups: Mutex<Vec<Weak<Board>>>,
    /// Who else is told of state changes, until the last one.
    buses: Mutex<Vec<EventBus>>,
    writer: Mutex<()>,
}

impl<B: Backend> Shared<B> {
    pub(crate) fn new(name: Arc<str>, backend: B, settings: Settings) -> Self {
        let settings = settings.bounded();
        Self {
            meter: Meter::new(Arc::clone(&name), B::SYSTEM, backend.address()),
            name,
            backend,
            gate: CachePadded::new(Gate::new()),
            snapshot: ArcSwap::from_pointee(Snapshot::idle()),
            counters: Counters::default(),
            budget: Budget::new(),
            attachments: Attachments::default(),
            quiescing: CancellationToken::new(),
            close_by: Deadline::unset(),
            close_began: OnceLock::new(),
            forced: Mutex::default(),
            report: OnceLock::new(),
            check: Notify::new(),
            renew: Notify::new(),
            supervised: AtomicBool::new(false),
            reading: watch::Sender::new(Reading::new(Health::Unknown, None, None)),
            probation: Mutex::new(Probation::new(settings.health_interval)),
            changes: broadcast::Sender::new(HISTORY),
            groups: Mutex::default(),
            buses: Mutex::default(),
            writer: Mutex::new(()),
            settings: ArcSwap::from_pointee(settings),
        }
    }

    /// The settings that are in force, for one look at them. Not over an await: copy what is needed.
    pub(crate) fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// All of them, to be kept.
    pub(crate) fn all_settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Has other settings be in force, and a ping made now, so that no wait of the old ones goes on.
    pub(crate) fn set_settings(&self, settings: Settings) {
        let settings = settings.bounded();
        self.probation().set_interval(settings.health_interval);
        self.settings.store(Arc::new(settings));
        self.check.notify_one();
    }

    pub(crate) fn state(&self) -> State {
        self.snapshot.load().state()
    }

    /// The connection, or in what state the resource is without one.
    pub(crate) fn live(&self) -> Result<Share<B>, State> {
        let snapshot = self.snapshot.load();
        match &snapshot.phase {
            Phase::Ready(live) => Ok(Arc::clone(live.own())),
            Phase::Other(state) => Err(*state),
        }
    }

    /// How many operations may be under way on one connection at once.
    pub(crate) fn max_in_flight(&self) -> Option<u32> {
        self.settings().max_in_flight.or_else(|| self.backend.max_in_flight())
    }

    /// Every state change from now on, in order.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Transition> {
        self.changes.subscribe()
    }

    /// Has a group told of every state change from now on, before anybody else.
    pub(crate) fn observe(&self, group: &Arc<Board>) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|one| one.strong_count() > 0);
        groups.push(Arc::downgrade(group));
    }

    /// Waits until the state is not `state`.
    pub(crate) async fn left(&self, state: State) {
        let mut changes = self.changes();
        while self.state() == state {
            // Lagging is as good as a change: the state is looked at again.
            let _ = changes.recv().await;
        }
    }

    /// The only place where the state changes. Hands the change back where it means nothing in the
    /// present state, so that a client that came too late can be closed.
    pub(crate) fn apply(self: &Arc<Self>, change: Change<B>) -> Result<State, Change<B>> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot.load_full();
        let from = before.state();
        let Some(to) = from.next(change.event()) else { return Err(change) };
        if to.is_ending() {
            self.gate.shut();
        }
        let cause = change.error().cloned();
        let after = self.follow(&before, to, change);
        let generation = after.generation;
        self.snapshot.store(Arc::new(after));
        if let Phase::Ready(live) = &before.phase {
            live.own().gone.fire();
        }
        let in_previous = before.since.elapsed();
        self.tell(Transition {
            resource: Arc::clone(&self.name),
            system: B::SYSTEM,
            from,
            to,
            at: SystemTime::now(),
            in_previous,
            generation,
            cause,
        });
        Ok(to)
    }

    fn follow(self: &Arc<Self>, before: &Snapshot<B>, to: State, change: Change<B>) -> Snapshot<B> {
        let last_error = change.error().or(before.last_error.as_ref()).cloned();
        let mut generation = before.generation;
        let phase = match change {
            Change::Connected(client) => {
                generation += 1;
                let gone = Gone::default();
                let places = self.max_in_flight().map(Places::new);
                let (ended, shared) = (Ended::default(), Arc::clone(self));
                let live = Live { client, generation, gone, places, ended, shared };
                Phase::Ready(Shares::new(live))
            }
            _ => Phase::Other(to),
        };
        let over = before.state() == State::Reconnecting && to == State::Ready;
        let last_outage = if over { Some(before.since.elapsed()) } else { before.last_outage };
        let since = Instant::now();
        Snapshot { phase, since, generation, attempts: 0, last_outage, last_error }
    }

    /// Metrics, the one log line and the watchers' copy of a transition.
    fn tell(&self, transition: Transition) {
        let Transition { from, to, .. } = transition;
        self.meter.transition(from, to);
        match to {
            State::Ready => {
                self.counters.connects.fetch_add(1, Ordering::Relaxed);
                let outage = (from == State::Reconnecting).then_some(transition.in_previous);
                self.meter.connected(outage);
                if from == State::Reconnecting {
                    self.probation().came_back(Instant::now());
                }
                self.read(self.alive(None));
            }
            State::Reconnecting => {
                self.counters.disconnects.fetch_add(1, Ordering::Relaxed);
                self.meter.disconnected();
                self.probation().lost(transition.in_previous);
                self.read(Reading::new(Health::Down, None, transition.cause.clone()));
            }
            _ => self.read(Reading::new(Health::Down, None, transition.cause.clone())),
        }
        transition.log(self.backend.address());
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.iter().filter_map(Weak::upgrade).for_each(|group| group.follow(&transition));
        drop(groups);
        self.tell_buses(&transition);
        // An error means that nobody watches.
        let _ = self.changes.send(transition);
    }

    fn tell_buses(&self, transition: &Transition) {
        let mut buses = self.buses.lock().unwrap_or_else(PoisonError::into_inner);
        for bus in &*buses {
            bus.tell(transition);
        }
        // The last change: whoever follows the bus need not wait for us any more.
        if transition.to == State::Closed {
            buses.clear();
        }
    }

    /// Tells the bus every state change from now on.
    pub(crate) fn report_to(&self, bus: &EventBus) {
        let mut buses = self.buses.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: the last change is told, and the buses let go, under it too.
        if self.state() != State::Closed {
            buses.push(bus.clone());
        }
    }

    /// Notes a connect attempt that failed; the state stays.
    pub(crate) fn attempt_failed(&self, error: &Error) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot.load();
        let Phase::Other(state) = before.phase else { return };
        self.snapshot.store(Arc::new(Snapshot {
            phase: Phase::Other(state),
            since: before.since,
            generation: before.generation,
            attempts: before.attempts + 1,
            last_outage: before.last_outage,
            last_error: Some(error.clone()),
        }));
        self.counters.connect_failures.fetch_add(1, Ordering::Relaxed);
        self.meter.connect_failed(error.kind());
    }

    /// The reading of a sign of life: up, unless the connection came back only just now.
    pub(crate) fn alive(&self, latency: Option<Duration>) -> Reading {
        let left = self.probation().left(Instant::now());
        if left.is_zero() {
            return Reading::new(Health::Up, latency, None);
        }
        let message = format!(
            "{} was lost and is back; it counts as up once it has held for {left:.1?} more",
            self.server()
        );
        let error = self.error(ErrorKind::Connect, message);
        Reading::new(Health::Degraded, latency, Some(error))
    }

    fn probation(&self) -> MutexGuard<'_, Probation> {
        self.probation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a reading of the health.
    pub(crate) fn read(&self, reading: Reading) {
        self.meter.health(reading.health, reading.latency);
        self.reading.send_replace(reading);
    }

    pub(crate) fn reading(&self) -> Reading {
        self.reading.borrow().clone()
    }

    pub(crate) fn readings(&self) -> watch::Receiver<Reading> {
        self.reading.subscribe()
    }

    pub(crate) fn force(&self, forced: impl IntoIterator<Item = Forced>) {
        self.forced.lock().unwrap_or_else(PoisonError::into_inner).extend(forced);
    }

    /// Ends the life: from draining to closed, with the report.
    pub(crate) fn finish(self: &Arc<Self>) {
        let took = self.close_began.get().map_or(Duration::ZERO, Instant::elapsed);
        let forced =
            std::mem::take(&mut *self.forced.lock().unwrap_or_else(PoisonError::into_inner));
        // The watch over the leases looks now and then: without this the last ones go untold.
        self.meter.leases(self.gate.register().uses(), self.gate.inside());
        self.meter.closed(took, forced.len());
        let report =
            CloseReport { resource: Arc::clone(&self.name), system: B::SYSTEM, took, forced };
        // Set before the state, so that whoever sees `Closed` finds it. Only the first one counts.
        let _ = self.report.set(report);
        let _ = self.apply(Change::Drained);
    }

    /// `redis at localhost:6379/0`: what messages call the server.
    pub(crate) fn server(&self) -> String {
        format!("{} at {}", B::SYSTEM, self.backend.address())
    }

    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, Arc::clone(&self.name), message)
    }

    pub(crate) fn driver_error(&self, doing: &str, error: B::Error) -> Error {
        let doing = format!("{doing} {}", self.server());
        Error::from_driver(B::classify(&error), Arc::clone(&self.name), doing, error)
    }

    pub(crate) fn closed_error(&self) -> Error {
        self.error(ErrorKind::Closed, format!("{} is {}", self.server(), self.state()))
    }
}

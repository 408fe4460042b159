//! Everything that is measured, in one file: names, units, labels.
//!
//! Names follow OpenTelemetry's semantic conventions where there is one, and `qa.resource.*`
//! where there is none. Labels are bounded: the resource, its system and address, and words from
//! short lists. Handles are looked up when they are used, so that a recorder installed late still
//! sees everything.

use crate::{ErrorKind, GroupEvent, Health, State};
use metrics::{
    Gauge, Key, Label, Level, Metadata, SharedString, Unit, counter, describe_counter,
    describe_gauge, describe_histogram, gauge, histogram, with_recorder,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is measured: name, kind, unit and meaning. The table that users see.
pub const TABLE: [(&str, Kind, Unit, &str); 26] = [
    (
        "qa.resource.state",
        Kind::Gauge,
        Unit::Count,
        "1 for the state that the resource is in, 0 for the others (label state)",
    ),
    (
        "qa.resource.transitions",
        Kind::Counter,
        Unit::Count,
        "state changes (label state: the new one)",
    ),
    (
        "qa.resource.connects",
        Kind::Counter,
        Unit::Count,
        "connects that succeeded, the first and later ones",
    ),
    (
        "qa.resource.connect.failures",
        Kind::Counter,
        Unit::Count,
        "connect attempts that failed (label error.type)",
    ),
    ("qa.resource.disconnects", Kind::Counter, Unit::Count, "connections lost"),
    (
        "qa.resource.outage.duration",
        Kind::Histogram,
        Unit::Seconds,
        "from a loss until the resource was ready again",
    ),
    ("qa.resource.leases", Kind::Counter, Unit::Count, "leases given"),
    ("qa.resource.lease.leaks", Kind::Counter, Unit::Count, "leases held past the leak threshold"),
    ("qa.resource.errors", Kind::Counter, Unit::Count, "operations that failed (label error.type)"),
    ("qa.resource.retries", Kind::Counter, Unit::Count, "operations tried again"),
    ("qa.resource.health", Kind::Gauge, Unit::Count, "1 up, 0.5 degraded, 0 down"),
    ("qa.resource.health.duration", Kind::Histogram, Unit::Seconds, "pings that were answered"),
    (
        "qa.resource.close.duration",
        Kind::Histogram,
        Unit::Seconds,
        "closing, from the call to the end",
    ),
    ("qa.resource.close.forced", Kind::Counter, Unit::Count, "things that a close had to force"),
    ("qa.resource.dropped", Kind::Counter, Unit::Count, "resources dropped without being closed"),
    (
        "qa.group.members",
        Kind::Gauge,
        Unit::Count,
        "members of a group of several (label state: ready, other)",
    ),
    (
        "qa.group.switches",
        Kind::Counter,
        Unit::Count,
        "times that another member became the active one (label reason: failover, failback, forced)",
    ),
    ("qa.group.down", Kind::Counter, Unit::Count, "times that a group had no member connected"),
    (
        "qa.group.outage.duration",
        Kind::Histogram,
        Unit::Seconds,
        "how long a group had no member connected",
    ),
    (
        "qa.group.ejections",
        Kind::Counter,
        Unit::Count,
        "times that a member was left out because operations on it failed (label member)",
    ),
    (
        "db.client.connection.count",
        Kind::Gauge,
        Unit::Count,
        "leases out (label db.client.connection.state: used)",
    ),
    (
        "db.client.connection.create_time",
        Kind::Histogram,
        Unit::Seconds,
        "connect attempts that succeeded",
    ),
    (
        "db.client.connection.pending_requests",
        Kind::Gauge,
        Unit::Count,
        "callers that wait for a lease, or in line where max_in_flight operations are under way",
    ),
    (
        "db.client.connection.wait_time",
        Kind::Histogram,
        Unit::Seconds,
        "their waits, however they ended; what could be had at once is none",
    ),
    (
        "db.client.connection.timeouts",
        Kind::Counter,
        Unit::Count,
        "waits that ran into their limit",
    ),
    (
        "db.client.operation.duration",
        Kind::Histogram,
        Unit::Seconds,
        "attempts of operations run by the library (label error.type where they failed; messaging.client.operation.duration for rabbitmq)",
    ),
];

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// Tells the installed recorder the unit and meaning of every metric of [`TABLE`].
pub fn describe_all() {
    for (name, kind, unit, meaning) in TABLE {
        match kind {
            Kind::Counter => describe_counter!(name, unit, meaning),
            Kind::Gauge => describe_gauge!(name, unit, meaning),
            Kind::Histogram => describe_histogram!(name, unit, meaning),
        }
    }
}

/// Whether OpenTelemetry has the system under messaging, and not under databases.
pub(crate) fn is_messaging(system: &str) -> bool {
    system == "rabbitmq"
}

/// Emits the metrics of one resource.
#[derive(Debug)]
pub(crate) struct Meter {
    name: Arc<str>,
    system: &'static str,
    address: Arc<str>,
    /// Of operations that succeed. Every one of them passes here: it is made once, and not for each.
    succeeded: Key,
}

/// As the macros have it.
const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

impl Meter {
    pub(crate) fn new(name: Arc<str>, system: &'static str, address: &str) -> Self {
        let (address, succeeded) = (address.into(), Key::from_static_name(""));
        let mut meter = Self { name, system, address, succeeded };
        meter.succeeded = Key::from_parts(meter.operation_name(), meter.labels([]));
        meter
    }

    fn operation_name(&self) -> &'static str {
        if is_messaging(self.system) {
            "messaging.client.operation.duration"
        } else {
            "db.client.operation.duration"
        }
    }

    fn labels<const N: usize>(&self, more: [(&'static str, &'static str); N]) -> Vec<Label> {
        let shared = |text: &Arc<str>| SharedString::from_shared(Arc::clone(text));
        let system = if is_messaging(self.system) { "messaging.system" } else { "db.system.name" };
        let mut labels = Vec::with_capacity(3 + N);
        labels.push(Label::new("db.client.connection.pool.name", shared(&self.name)));
        labels.push(Label::new(system, self.system));
        labels.push(Label::new("server.address", shared(&self.address)));
        labels.extend(more.map(|(key, value)| Label::new(key, value)));
        labels
    }

    pub(crate) fn transition(&self, from: State, to: State) {
        gauge!("qa.resource.state", self.labels([("state", from.as_str())])).set(0.0);
        gauge!("qa.resource.state", self.labels([("state", to.as_str())])).set(1.0);
        counter!("qa.resource.transitions", self.labels([("state", to.as_str())])).increment(1);
    }

    pub(crate) fn connected(&self, outage: Option<Duration>) {
        counter!("qa.resource.connects", self.labels([])).increment(1);
        if let Some(outage) = outage {
            histogram!("qa.resource.outage.duration", self.labels([])).record(outage);
        }
    }

    pub(crate) fn connect_took(&self, took: Duration) {
        histogram!("db.client.connection.create_time", self.labels([])).record(took);
    }

    pub(crate) fn connect_failed(&self, kind: ErrorKind) {
        counter!("qa.resource.connect.failures", self.labels([("error.type", kind.as_str())]))
            .increment(1);
    }

    pub(crate) fn disconnected(&self) {
        counter!("qa.resource.disconnects", self.labels([])).increment(1);
    }

    pub(crate) fn health(&self, health: Health, latency: Option<Duration>) {
        let value = match health {
            Health::Up => 1.0,
            Health::Degraded => 0.5,
            Health::Down | Health::Unknown => 0.0,
        };
        gauge!("qa.resource.health", self.labels([])).set(value);
        if let Some(latency) = latency {
            histogram!("qa.resource.health.duration", self.labels([])).record(latency);
        }
    }

    pub(crate) fn leases(&self, given: u64, out: usize) {
        counter!("qa.resource.leases", self.labels([])).absolute(given);
        let used = self.labels([("db.client.connection.state", "used")]);
        gauge!("db.client.connection.count", used)
            .set(f64::from(u32::try_from(out).unwrap_or(u32::MAX)));
    }

    pub(crate) fn leaked(&self) {
        counter!("qa.resource.lease.leaks", self.labels([])).increment(1);
    }

    /// Counts one who waits from now on, until that is dropped.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        let pending = gauge!("db.client.connection.pending_requests", self.labels([]));
        pending.increment(1.0);
        Waiting { meter: self, pending, began: Instant::now() }
    }

    pub(crate) fn wait_timed_out(&self) {
        counter!("db.client.connection.timeouts", self.labels([])).increment(1);
    }

    pub(crate) fn operation(&self, took: Duration, error: Option<ErrorKind>) {
        let Some(kind) = error else {
            with_recorder(|recorder| recorder.register_histogram(&self.succeeded, &METADATA))
                .record(took);
            return;
        };
        let name = self.operation_name();
        histogram!(name, self.labels([("error.type", kind.as_str())])).record(took);
        counter!("qa.resource.errors", self.labels([("error.type", kind.as_str())])).increment(1);
    }

    pub(crate) fn retried(&self) {
        counter!("qa.resource.retries", self.labels([])).increment(1);
    }

    pub(crate) fn closed(&self, took: Duration, forced: usize) {
        histogram!("qa.resource.close.duration", self.labels([])).record(took);
        counter!("qa.resource.close.forced", self.labels([])).increment(forced as u64);
    }

    pub(crate) fn dropped(&self) {
        counter!("qa.resource.dropped", self.labels([])).increment(1);
    }
}

/// One who waits for a lease or a place. That it is over, however it ended and also where its caller
/// went away, is known by the drop; the gauge is the one that was raised, so that a recorder which is
/// installed meanwhile sees no fall without a rise.
pub(crate) struct Waiting<'a> {
    meter: &'a Meter,
    pending: Gauge,
    began: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pending.decrement(1.0);
        let waits = histogram!("db.client.connection.wait_time", self.meter.labels([]));
        waits.record(self.began.elapsed());
    }
}

/// Emits the metrics of a group of several.
pub(crate) struct GroupMeter {
    name: Arc<str>,
    system: &'static str,
}

impl GroupMeter {
    pub(crate) fn new(name: Arc<str>, system: &'static str) -> Self {
        Self { name, system }
    }

    fn labels(&self, more: Option<(&'static str, SharedString)>) -> Vec<Label> {
        let system = if is_messaging(self.system) { "messaging.system" } else { "db.system.name" };
        let name = SharedString::from_shared(Arc::clone(&self.name));
        let mut labels = vec![Label::new("qa.group.name", name), Label::new(system, self.system)];
        labels.extend(more.map(|(key, value)| Label::new(key, value)));
        labels
    }

    pub(crate) fn event(&self, event: &GroupEvent) {
        match event {
            GroupEvent::Switched { reason, .. } => {
                let reason = ("reason", reason.as_str().into());
                counter!("qa.group.switches", self.labels(Some(reason))).increment(1);
            }
            GroupEvent::AllDown => counter!("qa.group.down", self.labels(None)).increment(1),
            GroupEvent::Back { after, .. } => {
                histogram!("qa.group.outage.duration", self.labels(None)).record(*after);
            }
            GroupEvent::Ejected { member, .. } => {
                let member = ("member", SharedString::from_shared(Arc::clone(member)));
                counter!("qa.group.ejections", self.labels(Some(member))).increment(1);
            }
            GroupEvent::Readmitted { .. }
            | GroupEvent::Added { .. }
            | GroupEvent::Removed { .. } => {}
        }
    }

    pub(crate) fn members(&self, members: usize, ready: usize) {
        for (state, count) in [("ready", ready), ("other", members.saturating_sub(ready))] {
            let labels = self.labels(Some(("state", state.into())));
            gauge!("qa.group.members", labels)
                .set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        }
    }
}

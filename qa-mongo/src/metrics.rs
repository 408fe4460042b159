//! What is measured of the driver beside the resource's own, in one file: names, units, labels.
//!
//! Labels are bounded: the resource, and words from short lists. No database, collection or member
//! of the deployment is one. Handles are made with each client, so that a recorder that is installed
//! late is seen by the next; commands look theirs up when they are measured.

use crate::classify;
use metrics::{
    Counter, Gauge, Histogram, Label, SharedString, Unit, counter, describe_counter,
    describe_gauge, describe_histogram, gauge, histogram,
};
use mongodb::error::Error;
use mongodb::event::cmap::ConnectionClosedReason;
use qa_resource_core::metrics::Kind;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const COUNT: &str = "db.client.connection.count";
const CREATE_TIME: &str = "db.client.connection.create_time";
const WAIT_TIME: &str = "db.client.connection.wait_time";
const USE_TIME: &str = "db.client.connection.use_time";
const OPERATION_DURATION: &str = "db.client.operation.duration";
const CLOSED: &str = "qa.mongo.connections.closed";
const CHECKOUT_FAILURES: &str = "qa.mongo.checkout.failures";
const POOLS_CLEARED: &str = "qa.mongo.pool.cleared";
const HEARTBEAT_FAILURES: &str = "qa.mongo.heartbeat.failures";
const PRIMARY_CHANGES: &str = "qa.mongo.primary.changes";

/// What is measured beside [the resource's own](qa_resource_core::metrics::TABLE): name, kind, unit
/// and meaning.
///
/// The pools are the driver's, one for each member of the deployment, taken together. So that they
/// are not added to the resource's leases, `db.client.connection.pool.name` is the resource's name
/// and `/driver`.
///
/// How many wait for a connection at the moment is not among it: the driver tells that a checkout has
/// begun, and never that its caller gave it up, so that the count would only grow. That somebody had to
/// wait is seen in `db.client.connection.wait_time`.
pub const TABLE: [(&str, Kind, Unit, &str); 10] = [
    (
        COUNT,
        Kind::Gauge,
        Unit::Count,
        "the driver's connections (label db.client.connection.state: idle, used)",
    ),
    (CREATE_TIME, Kind::Histogram, Unit::Seconds, "dials and logins that succeeded"),
    (WAIT_TIME, Kind::Histogram, Unit::Seconds, "checkouts of a connection, failed ones too"),
    (USE_TIME, Kind::Histogram, Unit::Seconds, "from a connection's checkout until it is back"),
    (
        OPERATION_DURATION,
        Kind::Histogram,
        Unit::Seconds,
        "commands, where they are measured (labels db.operation.name, and error.type where they failed)",
    ),
    (
        CLOSED,
        Kind::Counter,
        Unit::Count,
        "connections closed (label reason: stale, idle, error, dropped, pool_closed)",
    ),
    (CHECKOUT_FAILURES, Kind::Counter, Unit::Count, "checkouts that got no connection"),
    (POOLS_CLEARED, Kind::Counter, Unit::Count, "times that a member's pool was cleared"),
    (HEARTBEAT_FAILURES, Kind::Counter, Unit::Count, "looks at a member that failed"),
    (PRIMARY_CHANGES, Kind::Counter, Unit::Count, "times that another member was primary"),
];

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

fn labels<const N: usize>(
    pool: &SharedString,
    more: [(&'static str, &'static str); N],
) -> Vec<Label> {
    let mut labels = Vec::with_capacity(3 + N);
    labels.push(Label::new("db.client.connection.pool.name", pool.clone()));
    labels.push(Label::new("db.system.name", "mongodb"));
    labels.extend(more.map(|(key, value)| Label::new(key, value)));
    labels
}

/// The name of the driver's pools.
pub(crate) fn pool_name(resource: &str) -> SharedString {
    SharedString::from_owned(format!("{resource}/driver"))
}

/// A gauge that takes back what it has added when it is dropped: the pools of a client that is gone
/// hold nothing.
struct Level {
    gauge: Gauge,
    added: AtomicI64,
}

impl Level {
    fn new(pool: &SharedString, state: &'static str) -> Self {
        let gauge = gauge!(COUNT, labels(pool, [("db.client.connection.state", state)]));
        Self { gauge, added: AtomicI64::new(0) }
    }

    fn up(&self) {
        self.added.fetch_add(1, Ordering::Relaxed);
        self.gauge.increment(1.0);
    }

    fn down(&self) {
        self.added.fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1.0);
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        let added = i32::try_from(self.added.load(Ordering::Relaxed)).unwrap_or_default();
        self.gauge.decrement(f64::from(added));
    }
}

/// The handles of one client's pools.
pub(crate) struct PoolMeter {
    idle: Level,
    used: Level,
    create_time: Histogram,
    wait_time: Histogram,
    use_time: Histogram,
    closed: [Counter; 5],
    checkout_failures: Counter,
    cleared: Counter,
}

impl PoolMeter {
    pub(crate) fn new(resource: &str) -> Self {
        let pool = pool_name(resource);
        let closed = |reason| counter!(CLOSED, labels(&pool, [("reason", reason)]));
        Self {
            idle: Level::new(&pool, "idle"),
            used: Level::new(&pool, "used"),
            create_time: histogram!(CREATE_TIME, labels(&pool, [])),
            wait_time: histogram!(WAIT_TIME, labels(&pool, [])),
            use_time: histogram!(USE_TIME, labels(&pool, [])),
            closed: ["stale", "idle", "error", "dropped", "pool_closed"].map(closed),
            checkout_failures: counter!(CHECKOUT_FAILURES, labels(&pool, [])),
            cleared: counter!(POOLS_CLEARED, labels(&pool, [])),
        }
    }

    pub(crate) fn opened(&self) {
        self.idle.up();
    }

    pub(crate) fn created_in(&self, took: Duration) {
        self.create_time.record(took);
    }

    pub(crate) fn waited(&self, took: Duration) {
        self.wait_time.record(took);
    }

    pub(crate) fn got_none(&self) {
        self.checkout_failures.increment(1);
    }

    pub(crate) fn taken(&self) {
        self.idle.down();
        self.used.up();
    }

    pub(crate) fn returned(&self, took: Duration) {
        self.used.down();
        self.idle.up();
        self.use_time.record(took);
    }

    /// Says that a connection is gone, from the idle ones or from those in use.
    pub(crate) fn gone(&self, used: bool) {
        if used { self.used.down() } else { self.idle.down() }
    }

    pub(crate) fn closed(&self, reason: &ConnectionClosedReason) {
        let place = match reason {
            ConnectionClosedReason::Stale => 0,
            ConnectionClosedReason::Idle => 1,
            ConnectionClosedReason::Dropped => 3,
            ConnectionClosedReason::PoolClosed => 4,
            // `Error`, and what a later driver may add.
            _ => 2,
        };
        self.closed[place].increment(1);
    }

    pub(crate) fn cleared(&self) {
        self.cleared.increment(1);
    }
}

/// The handles of one client's view of the deployment.
pub(crate) struct TopologyMeter {
    heartbeat_failures: Counter,
    primary_changes: Counter,
}

impl TopologyMeter {
    pub(crate) fn new(resource: &str) -> Self {
        let pool = pool_name(resource);
        Self {
            heartbeat_failures: counter!(HEARTBEAT_FAILURES, labels(&pool, [])),
            primary_changes: counter!(PRIMARY_CHANGES, labels(&pool, [])),
        }
    }

    pub(crate) fn heartbeat_failed(&self) {
        self.heartbeat_failures.increment(1);
    }

    pub(crate) fn primary_changed(&self) {
        self.primary_changes.increment(1);
    }
}

/// Emits the metrics of one client's commands.
pub(crate) struct CommandMeter {
    pool: SharedString,
}

impl CommandMeter {
    pub(crate) fn new(resource: &str) -> Self {
        Self { pool: pool_name(resource) }
    }

    pub(crate) fn took(&self, operation: &'static str, took: Duration, failure: Option<&Error>) {
        let mut labels = labels(&self.pool, [("db.operation.name", operation)]);
        labels.extend(failure.map(|error| {
            let kind = classify::classify(error).kind;
            Label::new("error.type", kind.as_str())
        }));
        histogram!(OPERATION_DURATION, labels).record(took);
    }
}

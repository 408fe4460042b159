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
const MAX: &str = "db.client.connection.max";
const PENDING: &str = "db.client.connection.pending_requests";
const CREATE_TIME: &str = "db.client.connection.create_time";
const WAIT_TIME: &str = "db.client.connection.wait_time";
const USE_TIME: &str = "db.client.connection.use_time";
const OPERATION_DURATION: &str = "db.client.operation.duration";
const CLOSED: &str = "qa.mongo.connections.closed";
const CHECKOUT_FAILURES: &str = "qa.mongo.checkout.failures";
const POOLS_CLEARED: &str = "qa.mongo.pool.cleared";
const HEARTBEAT_FAILURES: &str = "qa.mongo.heartbeat.failures";
const SELECTION: &str = "qa.mongo.selection.duration";
const SELECTION_FAILURES: &str = "qa.mongo.selection.failures";
const PRIMARY_CHANGES: &str = "qa.mongo.primary.changes";
const PRIMARY_ABSENCE: &str = "qa.mongo.primary.absence.duration";

/// What is measured beside [the resource's own](qa_resource_core::metrics::TABLE): name, kind, unit
/// and meaning.
///
/// The pools are the driver's, one for each member of the deployment, taken together. So that they
/// are not added to the resource's leases, `db.client.connection.pool.name` is the resource's name
/// and `/driver`.
///
/// Who waits at the moment is counted for what is done through this library: operations of
/// [`run`](qa_resource_core::Resource::run), streams, pings. The driver tells that a checkout has begun and
/// never that its caller gave it up; of our own operations we know that ourselves, of what is done with a
/// lease's client beside them nobody does, and it is not counted. `db.client.connection.wait_time` has the
/// checkouts of all, once they have ended. How long the driver waits for a server is no event of its either: it
/// is measured where a command is sent at once, in pings and bulk upserts.
pub const TABLE: [(&str, Kind, Unit, &str); 15] = [
    (
        COUNT,
        Kind::Gauge,
        Unit::Count,
        "the driver's connections (label db.client.connection.state: idle, used)",
    ),
    (MAX, Kind::Gauge, Unit::Count, "the most that it opens to each member"),
    (
        PENDING,
        Kind::Gauge,
        Unit::Count,
        "operations of ours that wait for one of the driver's connections",
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
    (
        SELECTION,
        Kind::Histogram,
        Unit::Seconds,
        "waits for a server that can be used, in pings and bulk upserts",
    ),
    (
        SELECTION_FAILURES,
        Kind::Counter,
        Unit::Count,
        "operations that found no such server within serverSelectionTimeoutMS",
    ),
    (PRIMARY_CHANGES, Kind::Counter, Unit::Count, "times that another member was primary"),
    (
        PRIMARY_ABSENCE,
        Kind::Histogram,
        Unit::Seconds,
        "how long the driver knew of no primary, from losing one until the next",
    ),
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
    SharedString::from_shared(format!("{resource}/driver").into())
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

/// One who waits for a connection, until it is dropped.
pub(crate) struct Pending {
    gauge: Gauge,
    pool: SharedString,
}

impl Pending {
    pub(crate) fn is_of(&self, meter: &PoolMeter) -> bool {
        self.pool == meter.pool
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}

/// The handles of one client's pools.
pub(crate) struct PoolMeter {
    pool: SharedString,
    pending: Gauge,
    selection: Histogram,
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
    /// For pools of at most `max` connections.
    pub(crate) fn new(resource: &str, max: u32) -> Self {
        let pool = pool_name(resource);
        let closed = |reason| counter!(CLOSED, labels(&pool, [("reason", reason)]));
        gauge!(MAX, labels(&pool, [])).set(f64::from(max));
        Self {
            pending: gauge!(PENDING, labels(&pool, [])),
            selection: histogram!(SELECTION, labels(&pool, [])),
            idle: Level::new(&pool, "idle"),
            used: Level::new(&pool, "used"),
            create_time: histogram!(CREATE_TIME, labels(&pool, [])),
            wait_time: histogram!(WAIT_TIME, labels(&pool, [])),
            use_time: histogram!(USE_TIME, labels(&pool, [])),
            closed: ["stale", "idle", "error", "dropped", "pool_closed"].map(closed),
            checkout_failures: counter!(CHECKOUT_FAILURES, labels(&pool, [])),
            cleared: counter!(POOLS_CLEARED, labels(&pool, [])),
            pool,
        }
    }

    pub(crate) fn pending(&self) -> Pending {
        self.pending.increment(1.0);
        Pending { gauge: self.pending.clone(), pool: self.pool.clone() }
    }

    pub(crate) fn selected(&self, took: Duration) {
        self.selection.record(took);
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
    primary_absence: Histogram,
}

impl TopologyMeter {
    pub(crate) fn new(resource: &str) -> Self {
        let pool = pool_name(resource);
        Self {
            heartbeat_failures: counter!(HEARTBEAT_FAILURES, labels(&pool, [])),
            primary_changes: counter!(PRIMARY_CHANGES, labels(&pool, [])),
            primary_absence: histogram!(PRIMARY_ABSENCE, labels(&pool, [])),
        }
    }

    pub(crate) fn heartbeat_failed(&self) {
        self.heartbeat_failures.increment(1);
    }

    pub(crate) fn primary_changed(&self) {
        self.primary_changes.increment(1);
    }

    pub(crate) fn primary_was_absent(&self, absent: Duration) {
        self.primary_absence.record(absent);
    }
}

/// Counts an operation for which the driver found no server.
pub(crate) fn selection_failed(resource: &str) {
    counter!(SELECTION_FAILURES, labels(&pool_name(resource), [])).increment(1);
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

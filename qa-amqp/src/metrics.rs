//! What publishers and consumers measure, in one file: names, units, labels.
//!
//! Labels are bounded: the resource, the queue of a consumer, and words from short lists. No
//! exchange and no routing key is one. Handles are made with each connection, so that a recorder
//! that is installed late is seen by the next.

use metrics::{
    Counter, Histogram, Label, SharedString, Unit, counter, describe_counter, describe_histogram,
    histogram,
};
use qa_resource_core::metrics::Kind;

const SENT: &str = "messaging.client.sent.messages";
const PUBLISH_DURATION: &str = "messaging.client.operation.duration";
const CONSUMED: &str = "messaging.client.consumed.messages";
const PROCESS_DURATION: &str = "messaging.process.duration";
const STALE_ACKS: &str = "qa.amqp.consumer.stale_acks";
const RESTARTS: &str = "qa.amqp.consumer.restarts";
const SESSIONS: &str = "qa.amqp.publisher.channels";

/// What is measured beside [the resource's own](qa_resource_core::metrics::TABLE): name, kind, unit
/// and meaning.
pub const TABLE: [(&str, Kind, Unit, &str); 7] = [
    (
        SENT,
        Kind::Counter,
        Unit::Count,
        "messages sent (label error.type where they were not confirmed: returned, nacked, unknown)",
    ),
    (
        PUBLISH_DURATION,
        Kind::Histogram,
        Unit::Seconds,
        "from handing a message to the driver until the broker's answer, or until it is written where none is asked for (label messaging.operation.name: publish)",
    ),
    (CONSUMED, Kind::Counter, Unit::Count, "messages delivered to handlers"),
    (
        PROCESS_DURATION,
        Kind::Histogram,
        Unit::Seconds,
        "handlers (label error.type where they failed: handler, panic)",
    ),
    (
        STALE_ACKS,
        Kind::Counter,
        Unit::Count,
        "acknowledgements that came after their channel was gone: the message is delivered again",
    ),
    (RESTARTS, Kind::Counter, Unit::Count, "times that a consumer had to consume anew"),
    (SESSIONS, Kind::Counter, Unit::Count, "channels that publishers have opened"),
];

/// Tells the installed recorder the unit and meaning of every metric of [`TABLE`].
pub fn describe_all() {
    for (name, kind, unit, meaning) in TABLE {
        match kind {
            Kind::Counter => describe_counter!(name, unit, meaning),
            Kind::Histogram => describe_histogram!(name, unit, meaning),
            // There is none.
            Kind::Gauge => {}
        }
    }
}

fn labels<const N: usize>(resource: &str, more: [(&'static str, SharedString); N]) -> Vec<Label> {
    let mut labels = Vec::with_capacity(2 + N);
    labels.push(Label::new("db.client.connection.pool.name", resource.to_owned()));
    labels.push(Label::new("messaging.system", "rabbitmq"));
    labels.extend(more.map(|(key, value)| Label::new(key, value)));
    labels
}

/// How a publish can end, beside well.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unconfirmed {
    Returned,
    Nacked,
    Unknown,
}

/// The handles of one channel of a publisher.
pub(crate) struct PublishMeter {
    confirmed: Counter,
    returned: Counter,
    nacked: Counter,
    unknown: Counter,
    duration: Histogram,
}

impl PublishMeter {
    pub(crate) fn new(resource: &str) -> Self {
        counter!(SESSIONS, labels(resource, [])).increment(1);
        let failed =
            |how: &'static str| counter!(SENT, labels(resource, [("error.type", how.into())]));
        let publish = [("messaging.operation.name", "publish".into())];
        Self {
            confirmed: counter!(SENT, labels(resource, [])),
            returned: failed("returned"),
            nacked: failed("nacked"),
            unknown: failed("unknown"),
            duration: histogram!(PUBLISH_DURATION, labels(resource, publish)),
        }
    }

    pub(crate) fn settled(&self, took: std::time::Duration, failed: Option<Unconfirmed>) {
        self.duration.record(took);
        match failed {
            None => self.confirmed.increment(1),
            Some(Unconfirmed::Returned) => self.returned.increment(1),
            Some(Unconfirmed::Nacked) => self.nacked.increment(1),
            Some(Unconfirmed::Unknown) => self.unknown.increment(1),
        }
    }
}

/// Emits the metrics of one consumer.
pub(crate) struct ConsumeMeter {
    resource: String,
    queue: SharedString,
}

impl ConsumeMeter {
    pub(crate) fn new(resource: &str, queue: &str) -> Self {
        Self { resource: resource.to_owned(), queue: queue.to_owned().into() }
    }

    fn labels(&self) -> Vec<Label> {
        labels(&self.resource, [("messaging.destination.name", self.queue.clone())])
    }

    pub(crate) fn delivered(&self) {
        counter!(CONSUMED, self.labels()).increment(1);
    }

    pub(crate) fn handled(&self, took: std::time::Duration, failed: Option<&'static str>) {
        let mut labels = self.labels();
        labels.extend(failed.map(|how| Label::new("error.type", how)));
        histogram!(PROCESS_DURATION, labels).record(took);
    }

    pub(crate) fn stale(&self) {
        counter!(STALE_ACKS, self.labels()).increment(1);
    }

    pub(crate) fn restarted(&self) {
        counter!(RESTARTS, self.labels()).increment(1);
    }
}

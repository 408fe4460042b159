//! What publishers and consumers measure, in one file: names, units, labels.
//!
//! Labels are bounded: the resource, the queue of a consumer, and words from short lists. No
//! exchange and no routing key is one. Handles are made with each connection, so that a recorder
//! that is installed late is seen by the next.

use metrics::{
    Counter, Histogram, Key, Label, Level, Metadata, SharedString, Unit, counter, describe_counter,
    describe_histogram, histogram, with_recorder,
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

fn of_queue(resource: &str, queue: &SharedString) -> Vec<Label> {
    labels(resource, [("messaging.destination.name", queue.clone())])
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
    /// Every delivery passes here twice: these two are made once, and not for each.
    consumed: Key,
    processed: Key,
}

/// As the macros have it.
const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

impl ConsumeMeter {
    pub(crate) fn new(resource: &str, queue: &str) -> Self {
        let (resource, queue) = (resource.to_owned(), SharedString::from(queue.to_owned()));
        let of = |name| Key::from_parts(name, of_queue(&resource, &queue));
        Self { consumed: of(CONSUMED), processed: of(PROCESS_DURATION), resource, queue }
    }

    fn labels(&self) -> Vec<Label> {
        of_queue(&self.resource, &self.queue)
    }

    pub(crate) fn delivered(&self) {
        with_recorder(|recorder| recorder.register_counter(&self.consumed, &METADATA)).increment(1);
    }

    pub(crate) fn handled(&self, took: std::time::Duration, failed: Option<&'static str>) {
        let Some(how) = failed else {
            with_recorder(|recorder| recorder.register_histogram(&self.processed, &METADATA))
                .record(took);
            return;
        };
        let mut labels = self.labels();
        labels.push(Label::new("error.type", how));
        histogram!(PROCESS_DURATION, labels).record(took);
    }

    pub(crate) fn stale(&self, answers: u64) {
        counter!(STALE_ACKS, self.labels()).increment(answers);
    }

    pub(crate) fn restarted(&self) {
        counter!(RESTARTS, self.labels()).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    use std::time::Duration;

    #[test]
    fn what_a_consumer_does_is_counted_under_its_queue_and_failures_apart() {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || {
            let meter = ConsumeMeter::new("orders", "bars");
            for failed in [None, None, Some("handler")] {
                meter.delivered();
                meter.handled(Duration::from_millis(1), failed);
            }
        });
        let mut seen = Vec::new();
        for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
            let key = key.key();
            let label = |name| key.labels().find(|label| label.key() == name).map(Label::value);
            assert_eq!(label("db.client.connection.pool.name"), Some("orders"));
            assert_eq!(label("messaging.destination.name"), Some("bars"));
            let count = match value {
                DebugValue::Counter(count) => usize::try_from(count).unwrap(),
                DebugValue::Histogram(values) => values.len(),
                DebugValue::Gauge(_) => unreachable!("a consumer has none"),
            };
            seen.push((key.name().to_owned(), label("error.type").map(str::to_owned), count));
        }
        seen.sort();
        let row =
            |name: &str, how: Option<&str>, count| (name.to_owned(), how.map(str::to_owned), count);
        assert_eq!(
            seen,
            [
                row(CONSUMED, None, 3),
                row(PROCESS_DURATION, None, 2),
                row(PROCESS_DURATION, Some("handler"), 1)
            ]
        );
    }
}

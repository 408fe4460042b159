//! What is measured of ClickHouse beside the resource's own, in one file: names, units, labels.
//!
//! Labels are bounded: the resource, and the table of a batcher. No query is one.

use metrics::{
    Counter, Histogram, Label, Unit, counter, describe_counter, describe_histogram, histogram,
};
use qa_resource_core::metrics::Kind;
use std::time::Duration;

const STORED: &str = "qa.clickhouse.batcher.stored";
const REFUSED: &str = "qa.clickhouse.batcher.refused";
const RETRIES: &str = "qa.clickhouse.batcher.retries";
const INSERT_DURATION: &str = "qa.clickhouse.batcher.insert.duration";

/// What is measured beside [the resource's own](qa_resource_core::metrics::TABLE): name, kind, unit
/// and meaning.
pub const TABLE: [(&str, Kind, Unit, &str); 4] = [
    (STORED, Kind::Counter, Unit::Count, "rows that batchers have stored"),
    (
        REFUSED,
        Kind::Counter,
        Unit::Count,
        "rows that the server refused and that went to the dead letters",
    ),
    (RETRIES, Kind::Counter, Unit::Count, "inserts of batchers that were tried again"),
    (INSERT_DURATION, Kind::Histogram, Unit::Seconds, "inserts of batchers that succeeded"),
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

/// What a batcher counts.
pub(crate) struct BatchMeter {
    stored: Counter,
    refused: Counter,
    retries: Counter,
    duration: Histogram,
}

impl BatchMeter {
    pub(crate) fn new(resource: &str, table: &str) -> Self {
        let labels = vec![
            Label::new("db.client.connection.pool.name", resource.to_owned()),
            Label::new("db.system.name", "clickhouse"),
            Label::new("db.collection.name", table.to_owned()),
        ];
        Self {
            stored: counter!(STORED, labels.clone()),
            refused: counter!(REFUSED, labels.clone()),
            retries: counter!(RETRIES, labels.clone()),
            duration: histogram!(INSERT_DURATION, labels),
        }
    }

    pub(crate) fn stored(&self, rows: u64) {
        self.stored.increment(rows);
    }

    pub(crate) fn refused(&self, rows: u64) {
        self.refused.increment(rows);
    }

    pub(crate) fn retried(&self) {
        self.retries.increment(1);
    }

    pub(crate) fn inserted(&self, took: Duration) {
        self.duration.record(took);
    }
}

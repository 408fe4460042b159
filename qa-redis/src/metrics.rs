//! What is measured of Redis beside the resource's own, in one file: names, units, labels.
//!
//! The label is the resource. No channel, key or lock's name is one: there may be any number.

use metrics::{Counter, Label, Unit, counter, describe_counter};
use qa_resource_core::metrics::Kind;

const MESSAGES: &str = "qa.redis.subscription.messages";
const GAPS: &str = "qa.redis.subscription.gaps";
const LOCKS_TAKEN: &str = "qa.redis.lock.acquired";
const LOCKS_LOST: &str = "qa.redis.lock.lost";
const CACHE_HITS: &str = "qa.redis.cache.hits";
const CACHE_MISSES: &str = "qa.redis.cache.misses";
const LIMITED: &str = "qa.redis.limiter.refused";

/// What is measured beside [the resource's own](qa_resource_core::metrics::TABLE): name, kind, unit
/// and meaning.
pub const TABLE: [(&str, Kind, Unit, &str); 7] = [
    (MESSAGES, Kind::Counter, Unit::Count, "messages that subscriptions received"),
    (GAPS, Kind::Counter, Unit::Count, "times that a subscription was lost and is there again"),
    (LOCKS_TAKEN, Kind::Counter, Unit::Count, "locks that were acquired"),
    (LOCKS_LOST, Kind::Counter, Unit::Count, "locks that were lost before they were released"),
    (CACHE_HITS, Kind::Counter, Unit::Count, "values that a cache had"),
    (CACHE_MISSES, Kind::Counter, Unit::Count, "values that a cache had to have computed"),
    (LIMITED, Kind::Counter, Unit::Count, "requests that a rate limiter refused"),
];

/// Tells the installed recorder the unit and meaning of every metric of [`TABLE`].
pub fn describe_all() {
    for (name, _, unit, meaning) in TABLE {
        describe_counter!(name, unit, meaning);
    }
}

fn count(name: &'static str, resource: &str) -> Counter {
    let labels = vec![
        Label::new("db.client.connection.pool.name", resource.to_owned()),
        Label::new("db.system.name", "redis"),
    ];
    counter!(name, labels)
}

/// What a subscription counts.
pub(crate) struct SubscriptionMeter {
    messages: Counter,
    gaps: Counter,
}

impl SubscriptionMeter {
    pub(crate) fn new(resource: &str) -> Self {
        Self { messages: count(MESSAGES, resource), gaps: count(GAPS, resource) }
    }

    pub(crate) fn message(&self) {
        self.messages.increment(1);
    }

    pub(crate) fn gap(&self) {
        self.gaps.increment(1);
    }
}

/// What locks count.
pub(crate) struct LockMeter {
    acquired: Counter,
    lost: Counter,
}

impl LockMeter {
    pub(crate) fn new(resource: &str) -> Self {
        Self { acquired: count(LOCKS_TAKEN, resource), lost: count(LOCKS_LOST, resource) }
    }

    pub(crate) fn acquired(&self) {
        self.acquired.increment(1);
    }

    pub(crate) fn lost(&self) {
        self.lost.increment(1);
    }
}

/// What a cache counts.
pub(crate) struct CacheMeter {
    hits: Counter,
    misses: Counter,
}

impl CacheMeter {
    pub(crate) fn new(resource: &str) -> Self {
        Self { hits: count(CACHE_HITS, resource), misses: count(CACHE_MISSES, resource) }
    }

    pub(crate) fn hit(&self) {
        self.hits.increment(1);
    }

    pub(crate) fn miss(&self) {
        self.misses.increment(1);
    }
}

/// What a rate limiter counts.
pub(crate) struct LimiterMeter(Counter);

impl LimiterMeter {
    pub(crate) fn new(resource: &str) -> Self {
        Self(count(LIMITED, resource))
    }

    pub(crate) fn refused(&self) {
        self.0.increment(1);
    }
}

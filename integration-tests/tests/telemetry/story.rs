//! A life of which every event is known, and the exact counts that must come of it.

use crate::refusing::Refusing;
use integration_tests::{Capture, Rig, Series, Value, eventually, reaches, servers};
use qa_pool::core::Stats;
use qa_pool::{ErrorKind, Settings, State};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const QUESTIONS: u64 = 5;
const LEASES: usize = 3;

/// What such a life shows; `operation.duration` is under `db.client` or `messaging.client`.
const ALWAYS: [&str; 16] = [
    "db.client.connection.count",
    "db.client.connection.create_time",
    "db.client.connection.pending_requests",
    "db.client.connection.timeouts",
    "db.client.connection.wait_time",
    "qa.resource.close.duration",
    "qa.resource.close.forced",
    "qa.resource.connects",
    "qa.resource.disconnects",
    "qa.resource.errors",
    "qa.resource.health",
    "qa.resource.health.duration",
    "qa.resource.leases",
    "qa.resource.outage.duration",
    "qa.resource.state",
    "qa.resource.transitions",
];

/// What it may show, too: an attempt may fail while the server is down, or be under way.
const MAYBE: [&str; 1] = ["qa.resource.connect.failures"];

pub(crate) async fn metrics_tell_the_story<S: Refusing>() {
    let capture = crate::capture();
    let server = servers::to_break(S::SYSTEM).await;
    let name = format!("{}-story", S::SYSTEM);
    let settings = Settings {
        acquire_timeout: Duration::from_millis(300),
        backoff_cap: Duration::from_millis(500),
        health_interval: Duration::from_millis(100),
        // A busy machine is no part of the story.
        health_timeout: Duration::from_secs(5),
        ..Settings::default()
    };
    let rig = Rig::<S>::connected(&name, &server.url(), settings).await;
    let seen = Seen { capture, name, messaging: S::SYSTEM.name() == "rabbitmq" };
    for number in 1..=QUESTIONS {
        rig.use_it(number).await.unwrap();
    }
    let pinged = async || !seen.recorded("qa.resource.health.duration", &[]).is_empty();
    eventually("a ping is told", PATIENCE, pinged).await;
    seen.is_told_as("1").await;

    server.kill().await.unwrap();
    reaches(&rig.group, State::Reconnecting, PATIENCE).await;
    seen.is_told_as("0").await;
    rig.use_it(0).await.unwrap_err();
    server.start_again().await.unwrap();
    reaches(&rig.group, State::Ready, PATIENCE).await;
    seen.is_told_as("1").await;
    let refusal = S::refused(&rig.group).await;
    assert_eq!(refusal.kind(), ErrorKind::Operation, "{refusal}");
    hold_leases(&rig, &seen).await;

    let group = rig.group.clone();
    rig.close().await;
    let stats = group.status()[0].stats;
    seen.tell_it_all(&stats);
}

/// Leases that are out are told while they are, and none afterwards.
async fn hold_leases<S: Refusing>(rig: &Rig<S>, seen: &Seen) {
    let used = [("db.client.connection.state", "used")];
    let mut leases = Vec::new();
    for _ in 0..LEASES {
        leases.push(rig.group.acquire().await.unwrap());
    }
    assert_eq!(rig.status().leases, LEASES);
    let told = async || seen.gauge("db.client.connection.count", &used) == "3";
    eventually("the leases are told", PATIENCE, told).await;
}

/// What there is to see of one resource.
struct Seen {
    capture: Capture,
    name: String,
    messaging: bool,
}

impl Seen {
    /// Waits until the health is told so: a moment after the state is.
    async fn is_told_as(&self, health: &str) {
        let told = async || self.gauge("qa.resource.health", &[]) == health;
        eventually(&format!("health is told as {health}"), PATIENCE, told).await;
    }

    fn tell_it_all(&self, stats: &Stats) {
        let leases = QUESTIONS + 1 + LEASES as u64;
        let failures = self.counted("qa.resource.connect.failures", &[]);
        let expected = Stats {
            connects: 2,
            connect_failures: failures,
            disconnects: 1,
            operations: leases,
            errors: 1,
            retries: 0,
            leaks: 0,
        };
        assert_eq!(*stats, expected);
        for (state, times) in
            [("connecting", 1), ("ready", 2), ("reconnecting", 1), ("draining", 1), ("closed", 1)]
        {
            let label = [("state", state)];
            assert_eq!(self.counted("qa.resource.transitions", &label), times, "{state}");
            let now = if state == "closed" { "1" } else { "0" };
            assert_eq!(self.gauge("qa.resource.state", &label), now, "{state}");
        }
        assert_eq!(self.counted("qa.resource.transitions", &[]), 6);
        assert_eq!(self.counted("qa.resource.connects", &[]), 2);
        assert_eq!(self.counted("qa.resource.disconnects", &[]), 1);
        assert_eq!(self.counted("qa.resource.leases", &[]), leases);
        assert_eq!(self.counted("qa.resource.errors", &[("error.type", "operation")]), 1);
        assert_eq!(self.counted("qa.resource.errors", &[]), 1);
        assert_eq!(self.counted("qa.resource.close.forced", &[]), 0);
        assert_eq!(self.counted("db.client.connection.timeouts", &[]), 1);
        assert_eq!(self.gauge("db.client.connection.count", &[]), "0", "no lease is out");
        assert_eq!(self.gauge("db.client.connection.pending_requests", &[]), "0", "nobody waits");
        assert_eq!(self.recorded("db.client.connection.wait_time", &[]).len(), 1);
        assert_eq!(self.gauge("qa.resource.health", &[]), "0");
        for (name, records) in [
            ("qa.resource.outage.duration", 1),
            ("qa.resource.close.duration", 1),
            ("db.client.connection.create_time", 2),
        ] {
            assert_eq!(self.recorded(name, &[]).len(), records, "{name}");
        }
        let refused = self.recorded(self.operations(), &[("error.type", "operation")]);
        let operations = self.recorded(self.operations(), &[]);
        assert_eq!((refused.len(), operations.len() as u64), (1, QUESTIONS + 1));
        self.tell_nothing_else();
    }

    fn tell_nothing_else(&self) {
        let mut told: BTreeSet<_> = self.series("", &[]).map(|series| series.name).collect();
        let mut expected = BTreeSet::from(ALWAYS.map(str::to_owned));
        expected.insert(self.operations().to_owned());
        for maybe in MAYBE {
            told.remove(maybe);
        }
        assert_eq!(told, expected);
    }

    fn operations(&self) -> &'static str {
        if self.messaging {
            "messaging.client.operation.duration"
        } else {
            "db.client.operation.duration"
        }
    }

    /// The resource's series of a name (every one where there is none) that have these labels.
    fn series(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = Series> {
        let system = if self.messaging { "messaging.system" } else { "db.system.name" };
        let has = |series: &Series, label: &str, value: &str| {
            series.labels.get(label).is_some_and(|have| have == value)
        };
        let fits = |series: &Series| {
            has(series, "db.client.connection.pool.name", &self.name)
                && (name.is_empty() || series.name == name)
                && labels.iter().all(|(label, value)| has(series, label, value))
        };
        let mut all = self.capture.metrics();
        all.retain(fits);
        for series in &all {
            assert!(series.labels.contains_key(system), "{series:?}");
            assert!(series.labels["server.address"].starts_with("127.0.0.1:"), "{series:?}");
        }
        all.into_iter()
    }

    fn counted(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.series(name, labels).map(|series| count(&series)).sum()
    }

    /// What the one series stands at, as text: these are whole numbers, to be compared exactly.
    fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> String {
        let mut values = self.series(name, labels).map(|series| match series.value {
            Value::Gauge(value) => value.to_string(),
            other => panic!("{name} is no gauge: {other:?}"),
        });
        let value = values.next().unwrap_or_else(|| panic!("{name} {labels:?} is not told"));
        assert_eq!(values.next(), None, "{name} is told once");
        value
    }

    fn recorded(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let records = self.series(name, labels).flat_map(|series| match series.value {
            Value::Histogram(records) => records,
            other => panic!("{name} is no histogram: {other:?}"),
        });
        records.collect()
    }
}

fn count(series: &Series) -> u64 {
    match series.value {
        Value::Counter(count) => count,
        _ => panic!("it is no counter: {series:?}"),
    }
}

use super::*;
use metrics::{counter, gauge, histogram};
use qa_resource_core::metrics::{Kind, TABLE};

/// The names that `tables` have in Prometheus' text, by having each measured once.
fn shown(tables: &[&[(&'static str, Kind, metrics::Unit, &str)]]) -> String {
    let recorder = builder().unwrap().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        for (name, kind, _, _) in tables.iter().copied().flatten() {
            match kind {
                Kind::Counter => counter!(*name).increment(1),
                Kind::Gauge => gauge!(*name).set(1.0),
                Kind::Histogram => histogram!(*name).record(0.02),
            }
        }
    });
    recorder.handle().render()
}

#[test]
fn names_have_their_unit_and_counters_their_total() {
    let text = shown(&[&TABLE]);
    for line in [
        "qa_resource_connects_total 1",
        "qa_resource_health 1",
        "qa_resource_outage_duration_seconds_bucket{le=\"0.05\"} 1",
        "qa_resource_outage_duration_seconds_bucket{le=\"0.01\"} 0",
        "db_client_connection_count 1",
        "# HELP qa_resource_disconnects_total connections lost",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in:\n{text}");
    }
}

/// The series that a query asks for.
fn series(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| ["qa_", "db_client_", "messaging_"].iter().any(|of| word.starts_with(of)))
}

/// Every `expr` and `query` of the dashboard.
fn queries(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().filter(|_| ["expr", "query", "definition"].contains(&&**key)) {
                    Some(query) => found.push(query.to_owned()),
                    None => queries(value, found),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[cfg(all(feature = "amqp", feature = "clickhouse", feature = "mongo", feature = "redis"))]
#[test]
fn every_series_of_the_dashboard_is_one_that_is_measured() {
    let labels = [
        "db_client_connection_pool_name",
        "db_client_connection_state",
        "messaging_destination_name",
    ];
    let tables: [&[_]; 5] = [
        &TABLE,
        &qa_amqp::metrics::TABLE,
        &qa_clickhouse::metrics::TABLE,
        &qa_mongo::metrics::TABLE,
        &qa_redis::metrics::TABLE,
    ];
    let text = shown(&tables);
    let measured: std::collections::BTreeSet<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grafana/qa-resource.json");
    let dashboard = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    let asked: Vec<_> = found.iter().flat_map(|query| series(query)).collect();
    assert!(asked.len() > 20, "{asked:?}");
    for name in asked.into_iter().filter(|name| !labels.contains(name)) {
        assert!(measured.contains(name), "nothing measures {name}");
    }
}

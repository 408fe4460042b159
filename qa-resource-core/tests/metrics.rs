//! Metrics tell the story of a life: exact counts after a known one.

mod common;

use common::{Does, Fail, Plain, Script, exact, ms};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use qa_resource_core::{Resource, Settings, State, metrics as ours};
use std::collections::HashMap;

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn the_counts_of_a_known_life() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    ours::describe_all();
    let script = Script::new();
    let resource: Resource<Plain> = Resource::new("r", common::Scripted(script.clone()), exact());
    let mut watch = resource.watch();
    resource.connect().await.unwrap();
    resource.run(|_lease| async { Ok(()) }).await.unwrap();
    resource.run(|_lease| async { Err::<(), _>(Fail::No) }).await.unwrap_err();
    Script::set(&script.connect, Does::Error(Fail::Refused));
    script.cut();
    watch.wait_for(State::Reconnecting).await;
    tokio::time::sleep(ms(250)).await;
    Script::set(&script.connect, Does::Ok);
    watch.wait_for(State::Ready).await;
    tokio::time::sleep(ms(251)).await;
    // Between two looks at the leases: the close has to tell it.
    resource.run(|_lease| async { Ok(()) }).await.unwrap();
    resource.close(ms(1_000)).await;

    let mut counters = HashMap::new();
    let mut histograms = HashMap::new();
    let mut ready = None;
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let (_, key) = key.into_parts();
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        for label in [
            "db.client.connection.pool.name=r",
            "db.system.name=scripted",
            "server.address=nowhere:1/test",
        ] {
            assert!(labels.iter().any(|have| have == label), "{} lacks {label}", key.name());
        }
        assert!(
            ours::TABLE.iter().any(|(name, ..)| *name == key.name()),
            "{} is not in the table",
            key.name()
        );
        match value {
            DebugValue::Counter(count) => {
                *counters.entry(key.name().to_owned()).or_insert(0) += count;
            }
            DebugValue::Histogram(values) => {
                histograms
                    .entry(key.name().to_owned())
                    .or_insert_with(Vec::new)
                    .extend(values.iter().map(|value| value.0));
            }
            DebugValue::Gauge(value) if labels.iter().any(|label| label == "state=closed") => {
                ready = Some(value.0);
            }
            DebugValue::Gauge(_) => {}
        }
    }
    for (name, expected) in [
        ("qa.resource.connects", 2),
        ("qa.resource.disconnects", 1),
        ("qa.resource.connect.failures", 2),
        ("qa.resource.transitions", 6),
        ("qa.resource.errors", 1),
        ("qa.resource.leases", 3),
        ("qa.resource.close.forced", 0),
    ] {
        assert_eq!(counters.get(name), Some(&expected), "{name} of {counters:?}");
    }
    assert_eq!(histograms["qa.resource.outage.duration"], [0.3]);
    assert_eq!(histograms["db.client.operation.duration"].len(), 3);
    assert_eq!(histograms["db.client.connection.create_time"].len(), 2);
    assert_eq!(ready, Some(1.0));
}

/// How many wait more than at the last look, and the waits that have ended since.
fn waits(snapshotter: &Snapshotter) -> (f64, Vec<f64>) {
    let (mut more, mut ended) = (0.0, Vec::new());
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        match (key.key().name(), value) {
            ("db.client.connection.pending_requests", DebugValue::Gauge(value)) => more += value.0,
            ("db.client.connection.wait_time", DebugValue::Histogram(values)) => {
                ended.extend(values.iter().map(|value| value.0));
            }
            _ => {}
        }
    }
    (more, ended)
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn who_waits_is_counted_until_it_has_its_turn_or_goes_away() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let settings = Settings { max_in_flight: Some(1), ..exact() };
    let resource = Resource::<Plain>::new("r", common::Scripted(Script::new()), settings);
    let operate = |took: u64| {
        let resource = resource.clone();
        let operation = move |_lease| async move {
            tokio::time::sleep(ms(took)).await;
            Ok::<_, Fail>(())
        };
        tokio::spawn(async move { resource.run(operation).await })
    };
    let settle = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    // The connection has to be made for the first, which then waits for nothing more.
    let first = operate(100);
    let waiting = [operate(10), operate(10), operate(10)];
    settle().await;
    assert_eq!(waits(&snapshotter), (3.0, vec![0.0]), "one has its connection, three are in line");
    tokio::time::sleep(ms(40)).await;
    waiting[1].abort();
    settle().await;
    assert_eq!(waits(&snapshotter), (-1.0, vec![0.04]), "one has gone away");
    first.await.unwrap().unwrap();
    for (at, task) in waiting.into_iter().enumerate() {
        assert_eq!(task.await.is_ok(), at != 1);
    }
    assert_eq!(waits(&snapshotter), (-2.0, vec![0.1, 0.11]));
    // Nobody waits for what is there.
    operate(10).await.unwrap().unwrap();
    assert_eq!(waits(&snapshotter), (0.0, Vec::new()));
    resource.close(ms(1_000)).await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_wait_that_runs_into_its_limit_is_one_too() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let script = Script::new();
    Script::set(&script.connect, Does::Never);
    let settings = Settings { acquire_timeout: ms(200), ..exact() };
    let resource = Resource::<Plain>::new("r", common::Scripted(script), settings);
    resource.acquire().await.unwrap_err();
    assert_eq!(waits(&snapshotter), (0.0, vec![0.2]));
    resource.close(ms(1_000)).await;
}

//! Metrics tell the story of a life: exact counts after a known one.

mod common;

use common::{Does, Fail, Plain, Script, exact, ms};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use qa_resource_core::{Resource, State, metrics as ours};
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

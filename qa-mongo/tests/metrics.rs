//! What is measured of the driver, on real servers.
//!
//! The recorder is the thread's, so each test runs on one thread alone.

mod common;

use common::{PATIENCE, shared, target};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use mongodb::bson::{Document, doc};
use qa_mongo::{MongoDb, mongodb};
use qa_resource_core::Backend;
use qa_servers::cluster::MongoReplicaSet;
use qa_servers::testing::eventually;
use std::collections::BTreeMap;

/// What was told so far. A recorder forgets what it was asked for, so it is added up here.
#[derive(Default)]
struct Told {
    counters: BTreeMap<String, u64>,
    /// By name, operation and error.
    recorded: BTreeMap<(String, String, String), usize>,
    gauges: BTreeMap<String, f64>,
}

impl Told {
    fn listen(&mut self, snapshotter: &Snapshotter) {
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let key = key.key();
            let label = |name: &str| {
                let found = key.labels().find(|label| label.key() == name);
                found.map(|label| label.value().to_owned()).unwrap_or_default()
            };
            assert_eq!(label("db.client.connection.pool.name"), "measured/driver");
            assert_eq!(label("db.system.name"), "mongodb");
            match value {
                DebugValue::Counter(more) => {
                    *self.counters.entry(key.name().to_owned()).or_default() += more;
                }
                DebugValue::Histogram(values) => {
                    let operation = label("db.operation.name");
                    let series = (key.name().to_owned(), operation, label("error.type"));
                    *self.recorded.entry(series).or_default() += values.len();
                }
                DebugValue::Gauge(value) => {
                    let state = label("db.client.connection.state");
                    // A recorder gives what was added since it was last asked.
                    *self.gauges.entry(state).or_default() += value.into_inner();
                }
            }
        }
    }

    fn stands_at(&self, state: &str, count: usize) -> bool {
        self.gauges[state].to_string() == count.to_string()
    }

    fn recorded(&self, name: &str, operation: &str, error: &str) -> usize {
        let series = (name.to_owned(), operation.to_owned(), error.to_owned());
        self.recorded.get(&series).copied().unwrap_or_default()
    }
}

#[tokio::test]
async fn the_driver_s_pools_and_commands_are_measured() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (snapshotter, mut told) = (recorder.snapshotter(), Told::default());

    let url = format!("{}&commandMetrics=true", shared().await.url());
    let mongo = MongoDb::new(&target("measured", &url)).unwrap();
    let client = mongo.connect().await.unwrap();
    let numbers = MongoDb::database(&client).collection::<Document>("measured");
    numbers.drop().await.unwrap();
    numbers.insert_one(doc! { "_id": 1 }).await.unwrap();
    numbers.insert_one(doc! { "_id": 1 }).await.unwrap_err();
    MongoDb::database(&client).run_command(doc! { "noSuchCommand": 1 }).await.unwrap_err();
    let find = || numbers.find_one(doc! {});
    let (first, second) = tokio::join!(find(), find());
    assert!(first.unwrap().is_some() && second.unwrap().is_some());

    told.listen(&snapshotter);
    let operations = "db.client.operation.duration";
    assert_eq!(told.recorded(operations, "find", ""), 2);
    // The server answers a duplicate key with a reply that succeeded, and an error inside.
    assert_eq!(told.recorded(operations, "insert", ""), 2);
    assert_eq!(told.recorded(operations, "other", "operation"), 1);
    assert!(told.recorded(operations, "ping", "") >= 1);
    let checkouts = told.recorded("db.client.connection.wait_time", "", "");
    assert!(checkouts >= 7, "{checkouts}");
    let created = told.recorded("db.client.connection.create_time", "", "");
    assert!(created >= 2, "two finds at once take two connections: {created}");
    let idle = async || {
        told.listen(&snapshotter);
        told.stands_at("idle", created) && told.stands_at("used", 0)
    };
    eventually("all are idle", PATIENCE, idle).await;
    assert_eq!(told.recorded("db.client.connection.use_time", "", ""), checkouts);

    mongo.close(client).await.unwrap();
    drop(numbers);
    let gone = async || {
        told.listen(&snapshotter);
        told.stands_at("idle", 0) && told.stands_at("used", 0)
    };
    eventually("none is left", PATIENCE, gone).await;
    assert_eq!(told.counters["qa.mongo.connections.closed"], created as u64);
}

#[tokio::test]
async fn another_primary_is_counted_and_commands_are_not_unless_that_is_asked_for() {
    let set = MongoReplicaSet::start().await.unwrap();
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (snapshotter, mut told) = (recorder.snapshotter(), Told::default());
    let mongo = MongoDb::new(&target("measured", &set.url())).unwrap();
    let client = mongo.connect().await.unwrap();
    let numbers = MongoDb::database(&client).collection::<Document>("measured");
    numbers.insert_one(doc! { "n": 1 }).await.unwrap();
    told.listen(&snapshotter);
    assert_eq!(told.counters["qa.mongo.primary.changes"], 0, "the first one is no change");

    set.hand_over().await.unwrap();
    numbers.insert_one(doc! { "n": 2 }).await.unwrap();
    let counted = async || {
        told.listen(&snapshotter);
        told.counters["qa.mongo.primary.changes"] == 1
    };
    eventually("the change is counted", PATIENCE, counted).await;
    // One that is killed is missed until the next is elected.
    set.leader().await.unwrap().kill().await.unwrap();
    let measured = async || {
        told.listen(&snapshotter);
        told.counters["qa.mongo.primary.changes"] == 2
            && told.recorded("qa.mongo.primary.absence.duration", "", "") >= 1
    };
    eventually("the absence is measured", PATIENCE, measured).await;
    assert!(told.recorded.keys().all(|(name, _, _)| name != "db.client.operation.duration"));
    mongo.close(client).await.unwrap();
    set.remove().await;
}

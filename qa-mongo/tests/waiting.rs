//! Who waits, and for what: counted on real servers, until it is over or given up.
//!
//! The recorder is the thread's, so each test runs on one thread alone.

mod common;

use common::{PATIENCE, shared, target};
use futures_util::future::join_all;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use mongodb::bson::{Document, doc};
use mongodb::options::SelectionCriteria;
use qa_mongo::{BulkOptions, MongoDb, bulk_upsert, ensure_unique_index, mongodb};
use qa_resource_core::{Backend, ErrorKind, Lease, Resource, Settings};
use qa_servers::testing::eventually;
use qa_servers::{Server, System};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const PENDING: &str = "db.client.connection.pending_requests";
const WAIT_TIME: &str = "db.client.connection.wait_time";
const SELECTIONS: &str = "qa.mongo.selection.duration";

/// What was told so far of what is only raised and lowered, by metric, pool and state.
struct Told {
    snapshotter: Snapshotter,
    levels: BTreeMap<(String, String, String), f64>,
    recorded: BTreeMap<(String, String), usize>,
}

impl Told {
    fn new(recorder: &DebuggingRecorder) -> Self {
        let snapshotter = recorder.snapshotter();
        Self { snapshotter, levels: BTreeMap::new(), recorded: BTreeMap::new() }
    }

    fn listen(&mut self) {
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            let key = key.key();
            let label = |name: &str| {
                let found = key.labels().find(|label| label.key() == name);
                found.map(|label| label.value().to_owned()).unwrap_or_default()
            };
            let pool = label("db.client.connection.pool.name");
            let name = key.name().to_owned();
            match value {
                DebugValue::Gauge(more) => {
                    let state = label("db.client.connection.state");
                    *self.levels.entry((name, pool, state)).or_default() += more.into_inner();
                }
                DebugValue::Histogram(values) => {
                    *self.recorded.entry((name, pool)).or_default() += values.len();
                }
                DebugValue::Counter(more) => {
                    *self.recorded.entry((name, pool)).or_default() +=
                        usize::try_from(more).unwrap();
                }
            }
        }
    }

    fn level(&mut self, name: &str, pool: &str, state: &str) -> f64 {
        self.listen();
        let series = (name.to_owned(), pool.to_owned(), state.to_owned());
        self.levels.get(&series).copied().unwrap_or_default()
    }

    fn recorded(&mut self, name: &str, pool: &str) -> usize {
        self.listen();
        self.recorded.get(&(name.to_owned(), pool.to_owned())).copied().unwrap_or_default()
    }

    async fn waits(&mut self, pool: &str, count: u32) {
        let what = format!("{count} wait at {pool}");
        let as_many = async || self.level(PENDING, pool, "").to_string() == count.to_string();
        eventually(&what, PATIENCE, as_many).await;
    }

    async fn uses(&mut self, pool: &str, count: u32) {
        let what = format!("{count} connections of {pool} are in use");
        let level = "db.client.connection.count";
        let as_many = async || self.level(level, pool, "used").to_string() == count.to_string();
        eventually(&what, PATIENCE, as_many).await;
    }
}

fn resource(name: &str, url: &str, settings: Settings) -> Resource<MongoDb> {
    Resource::new(name, MongoDb::new(&target(name, url)).unwrap(), settings)
}

/// Somebody who may be given up.
type Caller = JoinHandle<qa_resource_core::Result<()>>;

#[tokio::test]
async fn callers_beyond_our_bound_wait_in_line_and_are_counted_until_they_go() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut told = Told::new(&recorder);
    let url = format!("{}&maxPoolSize=4", shared().await.url());
    let quotes = resource("line", &url, Settings::default());
    quotes.connect().await.unwrap();

    let leave = Arc::new(Semaphore::new(0));
    let hold = || -> Caller {
        let (quotes, leave) = (quotes.clone(), Arc::clone(&leave));
        tokio::spawn(async move {
            let operation = |lease: Lease<MongoDb>| {
                let leave = Arc::clone(&leave);
                async move {
                    lease.database("admin").run_command(doc! { "ping": 1 }).await?;
                    leave.acquire().await.unwrap().forget();
                    Ok(())
                }
            };
            quotes.run(operation).await
        })
    };
    // Three of four connections are for operations.
    let callers: Vec<_> = (0..8).map(|_| hold()).collect();
    told.waits("line", 5).await;
    for given_up in &callers[5..7] {
        given_up.abort();
    }
    told.waits("line", 3).await;
    assert_eq!(told.recorded(WAIT_TIME, "line"), 2, "two waits are over");
    leave.add_permits(6);
    for (at, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.await.is_ok_and(|ended| ended.is_ok()), !(5..7).contains(&at), "{at}");
    }
    told.waits("line", 0).await;
    assert_eq!(told.recorded(WAIT_TIME, "line"), 5);
    told.waits("line/driver", 0).await;
    let closed = told.recorded("qa.mongo.connections.closed", "line/driver");
    assert_eq!(closed, 0, "who gives up in line costs no connection");
    assert!(quotes.close(PATIENCE).await.is_clean());
}

async fn find(lease: Lease<MongoDb>) -> mongodb::error::Result<()> {
    MongoDb::database(&lease).collection::<Document>("queue").find_one(doc! {}).await.map(drop)
}

#[tokio::test]
async fn who_waits_for_a_connection_of_the_driver_is_counted_until_it_goes() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut told = Told::new(&recorder);
    let server = Server::start_owned(System::MongoDb).await.unwrap();
    let settings = Settings {
        // More than the pool has, so that they wait in the driver and not in our line.
        max_in_flight: Some(50),
        operation_timeout: PATIENCE,
        // A ping would be one who waits, too.
        health_interval: PATIENCE * 10,
        ..Settings::default()
    };
    let url = format!("{}&minPoolSize=3&maxPoolSize=3", server.url());
    let quotes = resource("queue", &url, settings);
    quotes.connect().await.unwrap();
    let pool = "queue/driver";
    let count = "db.client.connection.count";
    let idle = async || told.level(count, pool, "idle").to_string() == "3";
    eventually("the driver has all its connections", PATIENCE, idle).await;
    assert_eq!(told.level("db.client.connection.max", pool, "").to_string(), "3");

    // Whoever has a connection keeps it.
    server.freeze().await.unwrap();
    let call = || -> Caller {
        let quotes = quotes.clone();
        tokio::spawn(async move { quotes.run(find).await })
    };
    let callers: Vec<_> = (0..3).map(|_| call()).collect();
    told.uses(pool, 3).await;
    told.waits(pool, 0).await;
    let more: Vec<_> = (0..4).map(|_| call()).collect();
    told.waits(pool, 4).await;
    for given_up in &more[1..3] {
        given_up.abort();
    }
    told.waits(pool, 2).await;
    told.waits("queue", 0).await;

    server.thaw().await.unwrap();
    let (first, last) = (join_all(callers).await, join_all(more).await);
    let ended = |caller: &Result<qa_resource_core::Result<()>, _>| matches!(caller, Ok(Ok(())));
    assert!(first.iter().all(ended), "{first:?}");
    assert_eq!(last.iter().filter(|caller| ended(caller)).count(), 2, "{last:?}");
    told.waits(pool, 0).await;
    told.uses(pool, 0).await;
    assert!(quotes.close(PATIENCE).await.is_clean());
    told.waits(pool, 0).await;
    server.remove().await;
}

#[tokio::test]
async fn the_wait_for_a_server_is_measured_and_who_finds_none_is_counted() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut told = Told::new(&recorder);
    let url = format!("{}&serverSelectionTimeoutMS=300", shared().await.url());
    let (pool, mongo) = ("choice/driver", MongoDb::new(&target("choice", &url)).unwrap());
    // Without a supervisor, whose pings count as well.
    let client = mongo.connect().await.unwrap();
    assert_eq!(told.recorded(SELECTIONS, pool), 1, "that of the connect's ping");
    let bars = MongoDb::database(&client).collection::<Document>("choice");
    ensure_unique_index(&bars, &["n"], PATIENCE).await.unwrap();
    let options = BulkOptions { chunk: 2, ..BulkOptions::default() };
    let documents: Vec<_> = (0..6).map(|n| doc! { "n": n }).collect();
    bulk_upsert(&bars, &documents, &["n"], &options).await.unwrap();
    assert_eq!(told.recorded(SELECTIONS, pool), 1 + 3, "one for each command");
    mongo.close(client).await.unwrap();

    let settings = Settings { retry_attempts: 1, ..Settings::default() };
    let quotes = resource("choice", &url, settings);
    quotes.connect().await.unwrap();
    let nobody = || SelectionCriteria::Predicate(Arc::new(|_| false));
    let lost = async |lease: Lease<MongoDb>| {
        let admin = lease.database("admin");
        admin.run_command(doc! { "ping": 1 }).selection_criteria(nobody()).await
    };
    let error = quotes.run(lost).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert_eq!(told.recorded("qa.mongo.selection.failures", pool), 1);
    assert!(quotes.close(PATIENCE).await.is_clean());
}

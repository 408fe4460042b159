//! What ends in time, here and on the server, and what is not begun.

mod common;

use common::{PATIENCE, Watcher, shared, target};
use futures_util::future::join_all;
use mongodb::bson::{Document, doc};
use qa_mongo::{Bounded, MongoDb, max_time_ms, mongodb};
use qa_resource_core::{ErrorKind, Health, Lease, Resource, Settings, State};
use qa_servers::cluster::MongoReplicaSet;
use qa_servers::testing::eventually;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How much later than its limit an operation may end.
const SLACK: Duration = Duration::from_millis(250);

#[tokio::test]
async fn fewer_operations_are_begun_than_the_pool_has_connections() {
    let url = format!("{}&maxPoolSize=4", shared().await.url());
    let mongo = MongoDb::new(&target("line", &url)).unwrap();
    let quotes = Resource::new("line", mongo, Settings::default());
    quotes.connect().await.unwrap();
    let (now, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let operation = async |lease: Lease<MongoDb>| {
        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let ping = lease.database("admin").run_command(doc! { "ping": 1 }).await;
        now.fetch_sub(1, Ordering::SeqCst);
        ping
    };
    for result in join_all((0..50).map(|_| quotes.run(operation))).await {
        result.unwrap();
    }
    assert_eq!(peak.load(Ordering::SeqCst), 3);
    assert!(quotes.close(PATIENCE).await.is_clean());
}

async fn write(lease: Lease<MongoDb>) -> mongodb::error::Result<()> {
    let frozen = MongoDb::database(&lease).collection::<Document>("frozen");
    frozen.insert_one(doc! {}).await.map(drop)
}

#[tokio::test]
async fn a_frozen_primary_delays_nobody_for_longer_than_the_limit_and_is_no_loss() {
    let set = MongoReplicaSet::start().await.unwrap();
    let settings = Settings {
        operation_timeout: Duration::from_secs(1),
        health_interval: Duration::from_millis(500),
        ..Settings::default()
    };
    // With a majority the server itself takes ten seconds more: the other secondary goes on asking the
    // frozen member for what is new.
    let url = format!("{}&w=1", set.url());
    let mongo = MongoDb::new(&target("frozen", &url)).unwrap();
    let quotes = Resource::new("frozen", mongo, settings.clone());
    quotes.connect().await.unwrap();
    quotes.run(write).await.unwrap();

    let leader = set.leader().await.unwrap();
    leader.freeze().await.unwrap();
    let frozen = Instant::now();
    let mut failed = 0;
    // Until the driver writes to the next primary.
    loop {
        let begun = Instant::now();
        let Err(error) = quotes.run(write).await else { break };
        let took = begun.elapsed();
        assert!(took < settings.operation_timeout + SLACK, "{took:?}: {error}");
        assert!([ErrorKind::Timeout, ErrorKind::Connect].contains(&error.kind()), "{error}");
        assert!(frozen.elapsed() < PATIENCE, "{error}");
        let asked = Instant::now();
        let health = quotes.check_now().await.health;
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert!([Health::Up, Health::Degraded].contains(&health), "{health}");
        failed += 1;
    }
    eprintln!("{failed} writes failed, the next went on after {:.1?}", frozen.elapsed());
    assert_eq!((quotes.state(), quotes.status().stats.disconnects), (State::Ready, 0));

    leader.thaw().await.unwrap();
    set.wait_ready(PATIENCE).await.unwrap();
    let up = async || quotes.health().health == Health::Up;
    eventually("it is up", PATIENCE, up).await;
    let report = quotes.close(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report}");
    set.remove().await;
}

/// True of each document, after 50 ms.
const SLOW: &str = "sleep(50) || true";

/// The same, and true of none.
const NEVER: &str = "sleep(50) && false";

/// How many documents there are: ten seconds for all.
const MANY: i32 = 200;

/// How long the server may go on after our limit.
const GONE: Duration = Duration::from_secs(1);

/// A resource with a short limit, and a collection that is slow to look through.
async fn slow(name: &str) -> Resource<MongoDb> {
    let settings = Settings { operation_timeout: Duration::from_secs(1), ..Settings::default() };
    let mongo = MongoDb::new(&target(name, &shared().await.url())).unwrap();
    let quotes = Resource::new(name, mongo, settings);
    quotes.connect().await.unwrap();
    let lease = quotes.acquire().await.unwrap();
    let numbers = MongoDb::database(&lease).collection::<Document>(name);
    numbers.drop().await.unwrap();
    numbers.insert_many((0..MANY).map(|n| doc! { "n": n })).await.unwrap();
    drop(lease);
    quotes
}

/// Whether the server itself has given it up: its code for a time that is over.
fn ended_by_server(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, mongodb::error::ErrorKind::Command(error) if error.code == 50)
}

/// Three ways to be slow, each with the server's own limit.
async fn query(lease: Lease<MongoDb>) -> mongodb::error::Result<()> {
    let numbers = MongoDb::database(&lease).collection::<Document>("ended");
    numbers.find_one(doc! { "$where": NEVER }).bounded(&lease).await.map(drop)
}

async fn aggregation(lease: Lease<MongoDb>) -> mongodb::error::Result<()> {
    let numbers = MongoDb::database(&lease).collection::<Document>("ended");
    let slow = doc! { "body": "function() { sleep(50); return false; }", "args": [], "lang": "js" };
    let stage = doc! { "$match": { "$expr": { "$function": slow } } };
    numbers.aggregate([stage]).bounded(&lease).await.map(drop)
}

async fn update(lease: Lease<MongoDb>) -> mongodb::error::Result<()> {
    let all = doc! { "q": { "$where": SLOW }, "u": { "$set": { "seen": 1 } }, "multi": true };
    let command = doc! { "update": "ended", "updates": [all], "maxTimeMS": max_time_ms(&lease) };
    MongoDb::database(&lease).run_command(command).await.map(drop)
}

#[tokio::test]
async fn what_is_bounded_is_ended_by_the_server_too() {
    let quotes = slow("ended").await;
    let watcher = Watcher::new(shared().await).await;
    // With a lease that was acquired nobody but the server ends it.
    let lease = async || quotes.acquire().await.unwrap();
    for (which, ended) in [
        ("query", query(lease().await).await),
        ("aggregation", aggregation(lease().await).await),
        ("update", update(lease().await).await),
    ] {
        let error = ended.unwrap_err();
        assert!(ended_by_server(&error), "{which}: {error}");
    }
    for (which, ended) in [
        ("query", quotes.run(query).await),
        ("aggregation", quotes.run(aggregation).await),
        ("update", quotes.run(update).await),
    ] {
        let error = ended.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{which}: {error}");
        let gone = async || watcher.works_on("quantaxis.ended").await == 0;
        eventually("the server has stopped", GONE, gone).await;
    }
    assert!(quotes.close(PATIENCE).await.is_clean());
}

/// What the guide says of operations that have no `max_time`.
#[tokio::test]
async fn what_is_not_bounded_ends_with_its_connection_where_it_reads_and_goes_on_where_it_writes() {
    let quotes = slow("goes_on").await;
    let watcher = Watcher::new(shared().await).await;
    let read = async |lease: Lease<MongoDb>| {
        let numbers = MongoDb::database(&lease).collection::<Document>("goes_on");
        numbers.find_one(doc! { "$where": NEVER }).await
    };
    let error = quotes.run(read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let gone = async || watcher.works_on("quantaxis.goes_on").await == 0;
    eventually("the server has stopped reading", GONE, gone).await;

    let write = async |lease: Lease<MongoDb>| {
        let numbers = MongoDb::database(&lease).collection::<Document>("goes_on");
        numbers.update_many(doc! { "$where": SLOW }, doc! { "$set": { "seen": 1 } }).await
    };
    let error = quotes.run(write).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let written = watcher.database("quantaxis").collection::<Document>("goes_on");
    let all = async || {
        let seen = written.count_documents(doc! { "seen": 1 }).await.unwrap();
        seen == u64::from(MANY.unsigned_abs())
    };
    eventually("the server has written it all, long after our limit", PATIENCE, all).await;
    assert!(quotes.close(PATIENCE).await.is_clean());
}

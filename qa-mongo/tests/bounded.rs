//! What ends in time, and what is not begun.

mod common;

use common::{PATIENCE, shared, target};
use futures_util::future::join_all;
use mongodb::bson::{Document, doc};
use qa_mongo::{MongoDb, mongodb};
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

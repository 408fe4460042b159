//! MongoDB under the supervisor.

mod common;

use common::{NOTICED, PATIENCE, target};
use mongodb::bson::doc;
use qa_mongo::{MongoDb, mongodb};
use qa_resource_core::{Resource, Settings, State};
use qa_servers::testing::within;
use qa_servers::{Server, System};
use std::time::{Duration, Instant};

/// So that a client that follows another one under load has what that one had.
#[tokio::test]
async fn one_that_is_ready_has_the_least_pool_that_its_url_asks_for() {
    let (server, least) = (common::shared().await, 12);
    let url = server.url();
    let url = format!("{url}{}minPoolSize={least}", if url.contains('?') { '&' } else { '?' });
    let mongo = MongoDb::new(&target("warm", &url)).unwrap();
    let quotes = Resource::new("warm", mongo, Settings::default());
    let watcher = common::Watcher::new(server).await;
    quotes.connect().await.unwrap();
    assert!(watcher.connections("warm").await >= least);
    // So has the client that follows it, which is beside it for as long as a lease is held.
    let (mut watch, old) = (quotes.watch(), quotes.acquire().await.unwrap());
    quotes.reconnect();
    assert!(within("the fresh one", PATIENCE, watch.next()).await.is_some());
    assert!(watcher.connections("warm").await >= 2 * least);
    drop(old);
    assert!(quotes.close(PATIENCE).await.is_clean());
    watcher.sees_none_of("warm").await;
}

#[tokio::test]
async fn comes_back_after_a_kill_and_after_a_freeze() {
    let server = Server::start_owned(System::MongoDb).await.unwrap();
    let mongo = MongoDb::new(&target("quotes", &server.url())).unwrap();
    let quotes = Resource::new("quotes", mongo, Settings::default());
    quotes.connect().await.unwrap();
    let mut watch = quotes.watch();

    let start = Instant::now();
    server.kill().await.unwrap();
    assert!(within("the loss", NOTICED, watch.wait_for(State::Reconnecting)).await);
    assert!(start.elapsed() < Duration::from_secs(2), "the driver's word: {:?}", start.elapsed());
    server.start_again().await.unwrap();
    let up = Instant::now();
    assert!(within("it is back", PATIENCE, watch.wait_for(State::Ready)).await);
    assert!(up.elapsed() < Duration::from_secs(6), "cap + 1 s: {:?}", up.elapsed());
    let insert = async |lease: qa_resource_core::Lease<MongoDb>| {
        MongoDb::database(&lease).collection("back").insert_one(doc! { "n": 1 }).await
    };
    quotes.run(insert).await.unwrap();

    let start = Instant::now();
    server.freeze().await.unwrap();
    assert!(within("the loss", NOTICED, watch.wait_for(State::Reconnecting)).await);
    assert!(start.elapsed() < Duration::from_secs(5), "noticed: {:?}", start.elapsed());
    server.thaw().await.unwrap();
    let up = Instant::now();
    assert!(within("it is back", PATIENCE, watch.wait_for(State::Ready)).await);
    assert!(up.elapsed() < Duration::from_secs(6), "cap + 1 s: {:?}", up.elapsed());
    quotes.run(insert).await.unwrap();

    let report = quotes.close(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report}");
    let watcher = common::Watcher::new(&server).await;
    watcher.sees_none_of("quotes").await;
    server.remove().await;
}

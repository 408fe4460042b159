//! MongoDB under the supervisor.

mod common;

use common::{NOTICED, PATIENCE, target};
use mongodb::bson::doc;
use qa_mongo::{MongoDb, mongodb};
use qa_resource_core::{Resource, Settings, State};
use qa_servers::testing::within;
use qa_servers::{Server, System};
use std::time::{Duration, Instant};

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

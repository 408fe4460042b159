//! Closes that end although something is still in use, and nobody answers.

mod common;

use common::{Watcher, target};
use mongodb::bson::{Document, doc};
use qa_mongo::{MongoDb, documents, mongodb};
use qa_resource_core::{Forced, Resource, Settings};
use qa_servers::testing::within;
use qa_servers::{Server, System};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(3);
const SLACK: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_ends_by_its_deadline_with_a_cursor_a_transaction_and_a_frozen_server() {
    let server = Server::start_owned(System::MongoDb).await.unwrap();
    let mongo = MongoDb::new(&target("held", &server.url())).unwrap();
    let quotes = Resource::new("held", mongo, Settings::default());
    quotes.connect().await.unwrap();
    let lease = quotes.acquire().await.unwrap();
    let numbers = MongoDb::database(&lease).collection::<Document>("held");
    numbers.insert_many((0..500).map(|n| doc! { "n": n })).await.unwrap();

    let mut cursor = numbers.find(doc! {}).batch_size(10).await.unwrap();
    assert!(cursor.advance().await.unwrap());
    let mut session = lease.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    numbers.insert_one(doc! { "n": 500 }).session(&mut session).await.unwrap();
    let stream = documents(quotes.acquire().await.unwrap(), LIMIT, async |client| {
        let numbers = MongoDb::database(&client).collection::<Document>("held");
        numbers.find(doc! {}).batch_size(10).await
    });
    let stream = stream.await.unwrap();

    server.freeze().await.unwrap();
    // And one that is under way, for which nobody has a limit.
    let stuck = tokio::spawn({
        let numbers = numbers.clone();
        async move { numbers.count_documents(doc! {}).await }
    });
    let begun = Instant::now();
    let report = quotes.close(LIMIT).await;
    let took = begun.elapsed();
    assert!(took < LIMIT + SLACK, "{took:?}");
    let leases = report.forced.iter().any(|one| matches!(one, Forced::Leases(2)));
    let goodbye = report.forced.iter().any(|one| matches!(one, Forced::Goodbye(_)));
    assert!(leases && goodbye, "{report}");

    server.thaw().await.unwrap();
    let watcher = Watcher::new(&server).await;
    // Nothing of it was let go of.
    watcher.sees_none_of("held").await;
    assert!(within("the end", LIMIT, stuck).await.is_ok());
    drop((cursor, session, stream, lease));
    let stored = watcher.database("quantaxis").collection::<Document>("held");
    assert_eq!(stored.count_documents(doc! {}).await.unwrap(), 500, "nobody has committed");
    server.remove().await;
}

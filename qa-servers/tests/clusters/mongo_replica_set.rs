//! A replica set over a real driver.

use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use qa_servers::cluster::MongoReplicaSet;
use qa_servers::testing::within;

use crate::leftovers::Traces;

const LIMIT: Duration = Duration::from_secs(30);

async fn count(client: &Client) -> u64 {
    let collection = client.database("shop").collection::<Document>("flowers");
    collection.insert_one(doc! {}).await.unwrap();
    collection.count_documents(doc! {}).await.unwrap()
}

#[tokio::test]
async fn a_killed_primary_is_replaced_and_comes_back_as_a_follower() {
    let set = MongoReplicaSet::start().await.unwrap();
    let client = Client::with_uri_str(set.url()).await.unwrap();
    assert_eq!(within("a write", LIMIT, count(&client)).await, 1);

    let old = set.leader().await.unwrap();
    old.kill().await.unwrap();
    let new = within("another primary", LIMIT, set.leader()).await.unwrap();
    assert_ne!(old.port(), new.port());
    assert_eq!(within("a write to the new primary", LIMIT, count(&client)).await, 2);

    old.start_again().await.unwrap();
    set.wait_ready(LIMIT).await.unwrap();
    assert_ne!(set.leader().await.unwrap().port(), old.port());

    let old = set.leader().await.unwrap();
    let new = within("a primary in its place", LIMIT, set.hand_over()).await.unwrap();
    assert_ne!(old.port(), new.port());
    set.wait_ready(LIMIT).await.unwrap();
    assert_eq!(within("a write to the next primary", LIMIT, count(&client)).await, 3);

    let traces = Traces::of(set.nodes()).await;
    set.remove().await;
    traces.are_gone().await;
}

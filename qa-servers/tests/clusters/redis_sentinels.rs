//! Sentinels, over their protocol.

use std::time::Duration;

use qa_servers::cluster::RedisSentinels;
use qa_servers::testing::within;

use crate::leftovers::Traces;
use crate::redis_client::redis;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_killed_master_is_replaced_and_comes_back_as_a_replica() {
    let cluster = RedisSentinels::start().await.unwrap();
    let old = cluster.leader().await.unwrap();
    assert_eq!(old.url(), cluster.urls()[0]);
    assert_eq!(redis(old, "SET flower tulip").await, "+OK");
    // Replication does not wait for the replicas: without this the kill could lose the write.
    assert_eq!(redis(old, "WAIT 2 10000").await, ":2");

    old.kill().await.unwrap();
    let new = within("another master", LIMIT, cluster.leader()).await.unwrap();
    assert_ne!(old.port(), new.port());
    assert_eq!(redis(new, "GET flower").await, "$5\ntulip");

    // A sentinel that comes back knows what it knew.
    let sentinel = &cluster.sentinels()[1];
    sentinel.kill().await.unwrap();
    sentinel.start_again().await.unwrap();
    old.start_again().await.unwrap();
    cluster.wait_ready(LIMIT).await.unwrap();
    assert!(redis(old, "SET flower rose").await.starts_with("-READONLY"));
    let last = within("a hand-over", LIMIT, cluster.hand_over()).await.unwrap();
    assert_ne!(last.port(), new.port());
    assert_eq!(redis(last, "SET flower rose").await, "+OK");
    let traces = Traces::of(cluster.nodes().iter().chain(cluster.sentinels())).await;
    cluster.remove().await;
    traces.are_gone().await;
}

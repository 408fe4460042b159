//! A Redis Cluster, over its protocol.

use std::time::Duration;

use qa_servers::cluster::RedisCluster;
use qa_servers::testing::{eventually, within};

use crate::leftovers::Traces;
use crate::redis_client::redis;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_killed_master_is_replaced_by_its_replica_and_comes_back_as_one() {
    let cluster = RedisCluster::start().await.unwrap();
    let old = cluster.leader_of("flower").await.unwrap();
    assert_eq!(redis(old, "SET flower tulip").await, "+OK");
    // Replication does not wait for the replica: without this the kill could lose the write.
    assert_eq!(redis(old, "WAIT 1 10000").await, ":1");
    let other = cluster.nodes().iter().find(|node| node.port() != old.port()).unwrap();
    let moved = redis(other, "GET flower").await;
    assert!(moved.starts_with("-MOVED") && moved.ends_with(&old.port().to_string()), "{moved}");

    old.kill().await.unwrap();
    let new = within("another master", LIMIT, cluster.leader_of("flower")).await.unwrap();
    assert_ne!(old.port(), new.port());
    assert_eq!(redis(new, "GET flower").await, "$5\ntulip");

    old.start_again().await.unwrap();
    cluster.wait_ready(LIMIT).await.unwrap();
    assert!(redis(old, "ROLE").await.contains("slave"));
    let last = within("a hand-over", LIMIT, cluster.hand_over("flower")).await.unwrap();
    assert_eq!(last.port(), old.port());
    cluster.wait_ready(LIMIT).await.unwrap();
    assert!(redis(new, "GET flower").await.starts_with("-MOVED"));

    let traces = Traces::of(cluster.nodes()).await;
    drop(cluster);
    traces.are_gone().await;
}

#[tokio::test]
async fn the_keys_are_shared_among_three_masters() {
    let cluster = RedisCluster::start().await.unwrap();
    let mut leaders = Vec::new();
    for key in 0..60 {
        leaders.push(cluster.leader_of(&key.to_string()).await.unwrap().port());
    }
    leaders.sort_unstable();
    leaders.dedup();
    assert_eq!(leaders.len(), 3);
    assert!(leaders.iter().all(|port| cluster.nodes()[..3].iter().any(|n| n.port() == *port)));
}

#[tokio::test]
async fn one_that_is_alone_has_all_slots_also_after_a_kill_and_another_password() {
    let mut node = RedisCluster::lone().await.unwrap();
    assert_eq!(redis(&node, "SET flower tulip").await, "+OK");
    RedisCluster::announce(&node, 1234).await.unwrap();
    let slots = redis(&node, "CLUSTER SLOTS").await;
    assert!(slots.contains(":0\n:16383\n") && slots.contains("\n:1234\n"), "{slots}");

    node.change_password("another").await.unwrap();
    node.kill().await.unwrap();
    node.start_again().await.unwrap();
    // A node that has just started takes no commands for two seconds.
    eventually("it serves", LIMIT, async || redis(&node, "GET flower").await == "$5\ntulip").await;
    let slots = redis(&node, "CLUSTER SLOTS").await;
    assert!(slots.contains(&format!("\n:{}\n", node.port())), "{slots}");
}

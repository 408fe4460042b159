//! With nodes that come and go, and slots that move.

use crate::{LIMIT, follows, port, resource, url};
use qa_redis::redis::{self, AsyncCommands, Cmd, RedisResult, pipe};
use qa_redis::{Client, Event, Redis, Subscription, Topic};
use qa_resource_core::{Backend, ErrorKind, Health, Outcome};
use qa_servers::Server;
use qa_servers::cluster::RedisCluster;
use qa_servers::testing::{connections, eventually, within};
use std::collections::HashMap;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_without_an_error_and_told_meanwhile() {
    let cluster = RedisCluster::start().await.unwrap();
    // A busy machine may take longer to agree on another master than a caller waits by default.
    let resource = resource("failover", &url(&cluster, "?node_wait=30s")).await;
    let key = "failover";
    let first = cluster.leader_of(key).await.unwrap();
    follows(&resource, key, first).await;
    let mut subscription = Subscription::start(resource.clone(), [Topic::Sharded(key.to_owned())]);
    within("the subscription", LIMIT, subscription.subscribed()).await;

    // Killed: the resource stays ready for the other masters' keys, and says what is missing.
    first.kill().await.unwrap();
    eventually("it is impaired", LIMIT, async || resource.health().health == Health::Degraded)
        .await;
    // What is written meanwhile waits for the next master, and no error is seen.
    let written: RedisResult<()> = {
        let lease = resource.acquire().await.unwrap();
        within("a write", LIMIT, lease.clone().set(key, 2)).await
    };
    written.unwrap();
    let second = cluster.leader_of(key).await.unwrap();
    follows(&resource, key, second).await;
    assert!(matches!(within("the gap", LIMIT, subscription.next()).await, Some(Event::Gap(_))));
    first.start_again().await.unwrap();
    cluster.wait_ready(LIMIT).await.unwrap();
    eventually("it is well again", LIMIT, async || resource.health().health == Health::Up).await;

    // Handed over: the old one lives and sends on.
    let third = within("a hand-over", LIMIT, cluster.hand_over(key)).await.unwrap();
    let lease = resource.acquire().await.unwrap();
    let () = lease.clone().set(key, 3).await.unwrap();
    drop(lease);
    follows(&resource, key, third).await;
    cluster.wait_ready(LIMIT).await.unwrap();

    // Frozen: nothing breaks, nothing is answered.
    third.freeze().await.unwrap();
    let fourth = async {
        loop {
            let leader = cluster.leader_of(key).await.unwrap();
            if leader.port() != third.port() {
                return leader;
            }
        }
    };
    let fourth = within("another master", LIMIT, fourth).await;
    follows(&resource, key, fourth).await;
    third.thaw().await.unwrap();
    assert_eq!(resource.status().stats.disconnects, 0, "it was never lost as a whole");
    drop(subscription);
    assert!(resource.close(LIMIT).await.is_clean());
}

/// Moves one slot, key by key, as an operator does who adds a node.
async fn move_slot(from: &mut Client, to: &mut Client, slot: u16, places: [&Server; 2]) {
    let id = async |client: &mut Client| -> String {
        redis::cmd("CLUSTER").arg("MYID").query_async(client).await.unwrap()
    };
    let (old, new) = (id(from).await, id(to).await);
    let set = async |client: &mut Client, how: &str, node: &str| {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SETSLOT").arg(slot).arg(how).arg(node);
        command.exec_async(client).await.unwrap();
    };
    set(to, "IMPORTING", &old).await;
    set(from, "MIGRATING", &new).await;
    loop {
        let mut command = redis::cmd("CLUSTER");
        let keys: Vec<String> =
            command.arg("GETKEYSINSLOT").arg(slot).arg(1).query_async(from).await.unwrap();
        let Some(key) = keys.first() else { break };
        let [_, target] = places;
        let mut migrate: Cmd = redis::cmd("MIGRATE");
        migrate.arg(target.host()).arg(target.port()).arg(key).arg(0).arg(2_000);
        migrate.arg("AUTH2").arg(target.user()).arg(target.password());
        migrate.exec_async(from).await.unwrap();
    }
    set(to, "NODE", &new).await;
    set(from, "NODE", &new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_under_load_lose_and_double_nothing() {
    let cluster = RedisCluster::start().await.unwrap();
    let resource = resource("moving", &url(&cluster, "")).await;
    let keys: Vec<_> = (0..20).map(|number| format!("{{moving}}{number}")).collect();
    let mut client = resource.acquire().await.unwrap().clone();
    let slot: u16 = redis::cmd("CLUSTER")
        .arg("KEYSLOT")
        .arg("{moving}")
        .query_async(&mut client)
        .await
        .unwrap();

    let (done, load) = (CancellationToken::new(), client.clone());
    let counting = {
        let (done, keys) = (done.clone(), keys.clone());
        tokio::spawn(async move {
            let (mut client, mut rounds) = (load, 0_u64);
            while !done.is_cancelled() {
                let mut pipeline = pipe();
                for key in &keys {
                    pipeline.incr(key, 1).ignore();
                }
                let () = pipeline.query_async(&mut client).await.unwrap();
                for key in &keys {
                    let _: u64 = client.incr(key, 1).await.unwrap();
                }
                rounds += 1;
            }
            rounds
        })
    };
    for _ in 0..3 {
        let owner = cluster.leader_of("{moving}").await.unwrap();
        let mut masters = HashMap::new();
        for mut master in client.masters() {
            masters.insert(port(&mut master).await.unwrap(), master);
        }
        let mut from = masters.remove(&owner.port()).unwrap();
        let (other, mut to) = masters.into_iter().next().unwrap();
        let target = cluster.nodes().iter().find(|node| node.port() == other).unwrap();
        move_slot(&mut from, &mut to, slot, [owner, target]).await;
        eventually("the cluster agrees", LIMIT, async || {
            cluster.leader_of("{moving}").await.is_ok_and(|node| node.port() == other)
        })
        .await;
    }
    done.cancel();
    let rounds = within("the load", LIMIT, counting).await.unwrap();
    let counters: Vec<u64> = client.mget(&keys).await.unwrap();
    assert!(
        rounds > 3 && counters.iter().all(|count| *count == 2 * rounds),
        "{rounds} {counters:?}"
    );
    assert!(resource.close(LIMIT).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_has_the_slot_a_command_fails_unsent_after_its_wait() {
    let cluster = RedisCluster::start().await.unwrap();
    let resource = resource("hasty", &url(&cluster, "?node_wait=0s")).await;
    let key = "hasty";
    let leader = cluster.leader_of(key).await.unwrap();
    // Nobody is left to take its place, and the others go on.
    let replica = cluster.hand_over(key).await.unwrap();
    cluster.wait_ready(LIMIT).await.unwrap();
    leader.kill().await.unwrap();
    replica.kill().await.unwrap();
    let client = resource.acquire().await.unwrap().clone();
    eventually("it is said to be away", LIMIT, async || {
        client.clone().set::<_, _, ()>(key, 1).await.is_err_and(|error| {
            let class = Redis::classify(&error);
            class.outcome == Outcome::NotApplied && class.kind == ErrorKind::Connect
        })
    })
    .await;
    leader.start_again().await.unwrap();
    replica.start_again().await.unwrap();
    follows(&resource, key, cluster.leader_of(key).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_cluster_that_goes_is_a_loss_and_one_that_returns_is_found() {
    let cluster = RedisCluster::start().await.unwrap();
    let resource = resource("whole", &url(&cluster, "")).await;
    for node in cluster.nodes() {
        node.kill().await.unwrap();
    }
    eventually("it is lost", LIMIT, async || resource.try_acquire().is_err()).await;
    for node in cluster.nodes() {
        node.start_again().await.unwrap();
    }
    follows(&resource, "whole", cluster.leader_of("whole").await.unwrap()).await;
    assert!(resource.close(LIMIT).await.is_clean());
    for node in cluster.nodes() {
        eventually("no connection is left", LIMIT, async || connections(node.port()) == 0).await;
    }
}

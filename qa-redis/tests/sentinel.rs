//! Redis under sentinels: a failover is followed, whatever it was, and by everything that we have.

mod support;

use qa_redis::redis::{self, AsyncCommands};
use qa_redis::{Redis, Subscription};
use qa_resource_core::{Backend, ErrorKind, Resource, Settings};
use qa_servers::Server;
use qa_servers::cluster::RedisSentinels;
use qa_servers::testing::{connections, eventually, within};
use std::collections::HashMap;
use std::time::Duration;
use support::{backend, lengths_asked_of};

const LIMIT: Duration = Duration::from_secs(60);

/// The URL of all of its sentinels.
fn url(cluster: &RedisSentinels, query: &str) -> String {
    let sentinels = cluster.sentinels();
    let (user, password) = (sentinels[0].user(), sentinels[0].password());
    let hosts: Vec<_> =
        sentinels.iter().map(|one| format!("{}:{}", one.host(), one.port())).collect();
    let service = cluster.master_name();
    format!(
        "redis-sentinel://{user}:{password}@{}/0?service={service}&sentinel_user={user}\
         &sentinel_password={password}{query}",
        hosts.join(",")
    )
}

async fn resource(cluster: &RedisSentinels) -> Resource<Redis> {
    let resource =
        Resource::new("sentinel", backend("sentinel", &url(cluster, "")), Settings::default());
    resource.connect().await.unwrap();
    resource
}

/// The port of the server that answers.
async fn port(resource: &Resource<Redis>) -> Option<u16> {
    let lease = resource.try_acquire().ok()?;
    let config: HashMap<String, String> =
        redis::cmd("CONFIG").arg("GET").arg("port").query_async(&mut lease.clone()).await.ok()?;
    config.get("port")?.parse().ok()
}

/// Writes until it is with that server that it works.
async fn follows(resource: &Resource<Redis>, leader: &Server) {
    let what = format!("writes go to {}", leader.port());
    eventually(&what, LIMIT, async || {
        let Ok(lease) = resource.try_acquire() else { return false };
        let wrote: redis::RedisResult<()> = lease.clone().set("followed", 1).await;
        drop(lease);
        wrote.is_ok() && port(resource).await == Some(leader.port())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_by_commands_dedicated_connections_and_subscriptions() {
    let cluster = RedisSentinels::start().await.unwrap();
    let resource = resource(&cluster).await;
    let mut subscription = Subscription::start(resource.clone(), ["followed".into()]);
    within("the subscription", LIMIT, subscription.subscribed()).await;
    let first = cluster.leader().await.unwrap();
    follows(&resource, first).await;

    // Killed.
    first.kill().await.unwrap();
    let second = within("another master", LIMIT, cluster.leader()).await.unwrap();
    follows(&resource, second).await;
    assert!(matches!(
        within("the gap", LIMIT, subscription.next()).await,
        Some(qa_redis::Event::Gap(_))
    ));
    first.start_again().await.unwrap();
    cluster.wait_ready(LIMIT).await.unwrap();

    // Handed over: the old one lives, as a replica.
    let third = within("a hand-over", LIMIT, cluster.hand_over()).await.unwrap();
    follows(&resource, third).await;
    assert!(matches!(
        within("the gap", LIMIT, subscription.next()).await,
        Some(qa_redis::Event::Gap(_))
    ));
    let lease = resource.acquire().await.unwrap();
    let mut dedicated = lease.dedicated().await.unwrap();
    let () = dedicated.set("dedicated", 1).await.unwrap();
    // The gap may be that of a stay with the old one, before it said that it hands over; then another follows.
    eventually("it is heard from the new master", LIMIT, async || {
        let heard: redis::RedisResult<u64> = lease.clone().publish("followed", "x").await;
        heard.is_ok_and(|heard| heard == 1)
    })
    .await;
    drop((dedicated, lease));
    cluster.wait_ready(LIMIT).await.unwrap();

    // Stepped down behind the sentinels' back, and read-only: it is left, for as long as it is.
    let third = cluster.leader().await.unwrap();
    let lease = resource.acquire().await.unwrap();
    let other = cluster.nodes().iter().find(|node| node.port() != third.port()).unwrap();
    let () = redis::cmd("REPLICAOF")
        .arg("127.0.0.1")
        .arg(other.port())
        .query_async(&mut lease.clone())
        .await
        .unwrap();
    drop(lease);
    eventually("it writes to the master", LIMIT, async || {
        let Ok(leader) = cluster.leader().await else { return false };
        wrote(&resource).await && port(&resource).await == Some(leader.port())
    })
    .await;
    assert!(resource.close(LIMIT).await.is_clean());
}

async fn wrote(resource: &Resource<Redis>) -> bool {
    let Ok(lease) = resource.try_acquire() else { return false };
    lease.clone().set::<_, _, ()>("wrote", 1).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_master_and_a_frozen_sentinel_are_left() {
    let cluster = RedisSentinels::start().await.unwrap();
    let resource = resource(&cluster).await;
    let first = cluster.leader().await.unwrap();
    follows(&resource, first).await;
    cluster.sentinels()[0].freeze().await.unwrap();
    first.freeze().await.unwrap();
    // The two that are left agree; the frozen one is not waited for.
    eventually("another server answers", LIMIT, async || {
        port(&resource).await.is_some_and(|port| port != first.port())
    })
    .await;
    first.thaw().await.unwrap();
    cluster.sentinels()[0].thaw().await.unwrap();
    cluster.wait_ready(LIMIT).await.unwrap();
    follows(&resource, cluster.leader().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_answer_what_only_reads_as_long_as_there_are_any() {
    let cluster = RedisSentinels::start().await.unwrap();
    let backend = backend("reading", &url(&cluster, "&reads=replica"));
    let resource = Resource::new("reading", backend, Settings::default());
    resource.connect().await.unwrap();
    let client = resource.acquire().await.unwrap().clone();
    let () = client.clone().set("read", "value").await.unwrap();
    let nodes: Vec<_> = cluster.nodes().iter().collect();
    let (master, replicas) = nodes.split_at(1);
    let read = async |times: u64| {
        for _ in 0..times {
            // One that was killed in the middle of an answer does not give it.
            let length: redis::RedisResult<u8> = client.clone().strlen("read").await;
            if length.is_ok_and(|length| length != 5) {
                return false;
            }
        }
        true
    };
    eventually("both replicas are asked, in turns, and have it", LIMIT, async || {
        let before = lengths_asked_of(&nodes).await;
        let of_master = lengths_asked_of(master).await;
        let has_it = read(10).await;
        let each = [lengths_asked_of(&replicas[..1]).await, lengths_asked_of(&replicas[1..]).await];
        let same = lengths_asked_of(master).await == of_master;
        has_it
            && same
            && each.iter().sum::<u64>() + of_master == before + 10
            && each[0].min(each[1]) > 4
    })
    .await;

    replicas[0].kill().await.unwrap();
    eventually("the other one is asked", LIMIT, async || {
        let before = lengths_asked_of(&replicas[1..]).await;
        read(10).await && lengths_asked_of(&replicas[1..]).await == before + 10
    })
    .await;
    replicas[1].kill().await.unwrap();
    eventually("the master is asked", LIMIT, async || {
        let before = lengths_asked_of(master).await;
        read(10).await && lengths_asked_of(master).await == before + 10
    })
    .await;
    for replica in replicas {
        replica.start_again().await.unwrap();
    }
    eventually("replicas are asked again", LIMIT, async || {
        let before = lengths_asked_of(master).await;
        read(10).await && lengths_asked_of(master).await == before
    })
    .await;
    // What a pipeline wrote it also reads.
    let mut pipeline = redis::pipe();
    pipeline.set("read", "longer").ignore().strlen("read");
    let (length,): (u8,) = pipeline.query_async(&mut client.clone()).await.unwrap();
    assert_eq!((length, resource.status().stats.disconnects), (6, 0));
    drop(client);
    assert!(resource.close(LIMIT).await.is_clean());
    for node in nodes {
        eventually("no connection is left", LIMIT, async || connections(node.port()) == 0).await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_sentinels_is_said() {
    let cluster = RedisSentinels::start().await.unwrap();
    let url = url(&cluster, "");
    let refused = async |url: &str| {
        let error = backend("wrong", url).connect().await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains(cluster.sentinels()[0].password()), "{text}");
        (Redis::classify(&error).kind, text)
    };
    let (kind, text) = refused(&url.replace("service=main", "service=other")).await;
    assert!(kind == ErrorKind::Connect && text.contains("no master `other`"), "{text}");
    let password = cluster.sentinels()[0].password();
    let wrong = url.replace(&format!("sentinel_password={password}"), "sentinel_password=wrong");
    let (kind, text) = refused(&wrong).await;
    assert!(
        kind == ErrorKind::Auth
            && text.contains("none of 3 sentinels answered")
            && text.contains("WRONGPASS"),
        "{text}"
    );
    for sentinel in cluster.sentinels() {
        sentinel.kill().await.unwrap();
    }
    let (kind, text) = refused(&url).await;
    assert!(kind == ErrorKind::Connect && text.contains("none of 3 sentinels"), "{text}");
}

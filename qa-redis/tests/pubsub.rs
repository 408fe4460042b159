//! Subscriptions: what is heard, what is told of what was not, and how they end.

mod support;

use qa_redis::redis::{self, AsyncCommands};
use qa_redis::{Client, Event, Gap, Message, Redis, Subscription, Topic};
use qa_resource_core::{Resource, Settings};
use qa_servers::Server;
use qa_servers::testing::{eventually, within};
use std::time::{Duration, Instant};
use support::{AT_ONCE, backend, connect, connections, owned, shared};

const LIMIT: Duration = Duration::from_secs(10);

async fn resource(name: &str, server: &Server, query: &str) -> Resource<Redis> {
    let settings = Settings {
        health_interval: Duration::from_millis(200),
        health_timeout: Duration::from_millis(200),
        backoff_cap: Duration::from_millis(500),
        ..Settings::default()
    };
    let url = format!("{}{query}", server.url());
    let resource = Resource::new(name, backend(name, &url), settings);
    resource.connect().await.unwrap();
    resource
}

async fn subscribed(resource: &Resource<Redis>, topics: &[Topic]) -> Subscription {
    let subscription = Subscription::start(resource.clone(), topics.iter().cloned());
    within("the subscription", LIMIT, subscription.subscribed()).await;
    subscription
}

async fn next(subscription: &mut Subscription) -> Event {
    within("an event", LIMIT, subscription.next()).await.expect("it has ended")
}

async fn message(subscription: &mut Subscription) -> (Topic, String, String) {
    let Event::Message(Message { topic, channel, payload, .. }) = next(subscription).await else {
        panic!("no message");
    };
    (topic, channel, String::from_utf8(payload).unwrap())
}

async fn gap(subscription: &mut Subscription) -> Gap {
    match next(subscription).await {
        Event::Gap(gap) => gap,
        other => panic!("no gap: {other:?}"),
    }
}

async fn publish(client: &mut Client, channel: &str, payload: &str) {
    let heard: u64 = client.publish(channel, payload).await.unwrap();
    assert!(heard > 0, "nobody listens to {channel}");
}

#[tokio::test]
async fn channels_patterns_and_sharded_ones_are_heard_in_both_protocols() {
    let server = shared().await;
    let mut client = connect("publisher", &server.url()).await;
    for protocol in ["resp2", "resp3"] {
        let resource = resource("heard", server, &format!("?protocol={protocol}")).await;
        let channel = |name: &str| format!("{protocol}.{name}");
        let plain = Topic::from(channel("a"));
        let pattern = Topic::Pattern(channel("b*"));
        let sharded = Topic::Sharded(channel("c"));
        let mut subscription =
            subscribed(&resource, &[plain.clone(), pattern.clone(), sharded.clone()]).await;
        publish(&mut client, &channel("a"), "1").await;
        assert_eq!(message(&mut subscription).await, (plain, channel("a"), "1".into()));
        publish(&mut client, &channel("b2"), "2").await;
        assert_eq!(message(&mut subscription).await, (pattern, channel("b2"), "2".into()));
        let _: u64 = redis::cmd("SPUBLISH")
            .arg(channel("c"))
            .arg("3")
            .query_async(&mut client)
            .await
            .unwrap();
        assert_eq!(message(&mut subscription).await, (sharded, channel("c"), "3".into()));
        assert!(resource.close(LIMIT).await.is_clean());
        assert_eq!(within("its end", AT_ONCE, subscription.next()).await, None);
    }
}

#[tokio::test]
async fn what_is_listened_to_can_change() {
    let server = shared().await;
    let resource = resource("changes", server, "").await;
    let mut client = connect("changer", &server.url()).await;
    let mut subscription = subscribed(&resource, &[]).await;
    subscription.add("changes.a");
    subscription.add("changes.b");
    assert!(!subscription.is_subscribed());
    within("both", LIMIT, subscription.subscribed()).await;
    publish(&mut client, "changes.a", "1").await;
    assert_eq!(message(&mut subscription).await.2, "1");
    subscription.remove(&"changes.a".into());
    eventually("it is not heard any more", LIMIT, async || {
        client.publish::<_, _, u64>("changes.a", "unheard").await.unwrap() == 0
    })
    .await;
    publish(&mut client, "changes.b", "2").await;
    loop {
        // What was published until it was no longer heard came, too.
        let (_, channel, payload) = message(&mut subscription).await;
        if channel == "changes.b" {
            break assert_eq!(payload, "2");
        }
    }
}

#[tokio::test]
async fn a_cut_is_told_as_a_gap_once_all_is_heard_again() {
    let server = shared().await;
    let mut client = connect("cutter", &server.url()).await;
    for protocol in ["resp2", "resp3"] {
        let name = format!("gap-{protocol}");
        let resource = resource(&name, server, &format!("?protocol={protocol}")).await;
        let topics = [Topic::from(format!("{name}.a")), Topic::Pattern(format!("{name}.b*"))];
        let mut subscription = subscribed(&resource, &topics).await;
        for round in ["1", "2"] {
            cut_subscriber(&mut client, &name).await;
            let gap = gap(&mut subscription).await;
            assert!(gap.lasted < LIMIT && !gap.cause.is_empty(), "{gap:?}");
            // It is told once all is subscribed to: what is published now comes.
            publish(&mut client, &format!("{name}.a"), round).await;
            publish(&mut client, &format!("{name}.b"), round).await;
            assert_eq!(message(&mut subscription).await.2, round);
            assert_eq!(message(&mut subscription).await.2, round);
        }
        assert_eq!(connections(&mut client, &format!("{name}:subscriber")).await, 1);
        within("the end", LIMIT, subscription.stop()).await;
        eventually("the server has let go", AT_ONCE, async || {
            connections(&mut client, &format!("{name}:subscriber")).await == 0
        })
        .await;
    }
}

/// Has the server cut the subscriber of that resource.
async fn cut_subscriber(client: &mut Client, resource: &str) {
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(client).await.unwrap();
    let name = format!(" name={resource}:subscriber ");
    let line = list.lines().find(|line| line.contains(&name)).expect("a subscriber");
    let id = line.split(' ').find_map(|part| part.strip_prefix("id=")).unwrap();
    let killed: u64 =
        redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async(client).await.unwrap();
    assert_eq!(killed, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_is_noticed_and_heard_again_when_it_thaws() {
    let server = owned().await;
    let resource = resource("frozen", &server, "").await;
    let mut subscription = subscribed(&resource, &["frozen".into()]).await;
    server.freeze().await.unwrap();
    eventually("the silence is noticed", LIMIT, async || !subscription.is_subscribed()).await;
    server.thaw().await.unwrap();
    let gap = gap(&mut subscription).await;
    assert!(gap.lasted >= Duration::from_millis(400), "{gap:?}");
    let mut client = connect("thawed", &server.url()).await;
    publish(&mut client, "frozen", "1").await;
    assert_eq!(message(&mut subscription).await.2, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_killed_and_started_again_is_heard_again_with_what_was_added() {
    let server = owned().await;
    let resource = resource("killed", &server, "").await;
    let mut subscription = subscribed(&resource, &["before".into()]).await;
    server.kill().await.unwrap();
    eventually("it is noticed", LIMIT, async || !subscription.is_subscribed()).await;
    subscription.add("while it is down");
    server.start_again().await.unwrap();
    gap(&mut subscription).await;
    let mut client = connect("restarted", &server.url()).await;
    for channel in ["before", "while it is down"] {
        publish(&mut client, channel, "1").await;
        assert_eq!(message(&mut subscription).await.1, channel);
    }
}

#[tokio::test]
async fn who_reads_slowly_misses_nothing_and_counts_as_alive() {
    const MANY: usize = 20_000;
    let server = shared().await;
    let resource = resource("slow", server, "").await;
    let mut client = connect("fast", &server.url()).await;
    let mut subscription = subscribed(&resource, &["slow".into()]).await;
    for batch in 0..MANY / 1_000 {
        let mut pipeline = redis::pipe();
        for number in batch * 1_000..(batch + 1) * 1_000 {
            pipeline.publish("slow", number).ignore();
        }
        let () = pipeline.query_async(&mut client).await.unwrap();
    }
    // Longer than a server may be silent: it is we who do not read.
    let (began, silence) = (Instant::now(), Duration::from_millis(600));
    eventually("time passes", LIMIT, async || began.elapsed() > 2 * silence).await;
    for number in 0..MANY {
        assert_eq!(message(&mut subscription).await.2, number.to_string());
    }
}

#[tokio::test]
async fn what_may_not_be_heard_is_tried_until_it_may() {
    let server = owned().await;
    let mut admin = connect("admin", &server.url()).await;
    let acl = async |client: &mut Client, rule: &str| {
        redis::cmd("ACL")
            .arg("SETUSER")
            .arg("listener")
            .arg(&[">p", "on", "+@all", rule])
            .exec_async(client)
            .await
            .unwrap();
    };
    acl(&mut admin, "resetchannels").await;
    let (host, port) = (server.host(), server.port());
    let backend = backend("listener", &format!("redis://listener:p@{host}:{port}"));
    let resource = Resource::new("listener", backend, Settings::default());
    resource.connect().await.unwrap();
    let mut subscription = Subscription::start(resource.clone(), ["secret".into()]);
    eventually("it is refused", LIMIT, async || {
        let log: String = redis::cmd("ACL")
            .arg("LOG")
            .query_async::<redis::Value>(&mut admin)
            .await
            .map(|log| format!("{log:?}"))
            .unwrap();
        log.contains("secret")
    })
    .await;
    assert!(!subscription.is_subscribed());
    acl(&mut admin, "&secret").await;
    within("the subscription", LIMIT, subscription.subscribed()).await;
    publish(&mut admin, "secret", "1").await;
    assert_eq!(message(&mut subscription).await.2, "1", "no gap: it was never heard before");
}

#[tokio::test]
async fn a_dropped_one_and_one_whose_resource_is_dropped_leave_nothing_behind() {
    let server = shared().await;
    let mut client = connect("dropper", &server.url()).await;
    let resource = resource("dropped", server, "").await;
    let one = subscribed(&resource, &["dropped".into()]).await;
    let two = subscribed(&resource, &["dropped".into()]).await;
    assert_eq!(connections(&mut client, "dropped:subscriber").await, 2);
    drop(one);
    eventually("one is gone", AT_ONCE, async || {
        connections(&mut client, "dropped:subscriber").await == 1
    })
    .await;
    drop((two, resource));
    eventually("all are gone", AT_ONCE, async || {
        connections(&mut client, "dropped:subscriber").await == 0
            && connections(&mut client, "dropped").await == 0
    })
    .await;
}

//! Consumer groups of streams: every entry is handled, by whoever is there.

mod support;

use qa_redis::redis::{self, AsyncCommands};
use qa_redis::{Client, Redis, StreamConsumer, StreamEntry, StreamSettings};
use qa_resource_core::{Resource, Settings};
use qa_servers::Server;
use qa_servers::testing::{eventually, within};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{backend, connect, owned, shared};

const LIMIT: Duration = Duration::from_secs(20);

async fn resource(name: &str, server: &Server) -> Resource<Redis> {
    let settings = Settings { backoff_cap: Duration::from_millis(500), ..Settings::default() };
    let resource = Resource::new(name, backend(name, &server.url()), settings);
    resource.connect().await.unwrap();
    resource
}

fn settings(stream: &str) -> StreamSettings {
    StreamSettings { idle: Duration::from_millis(500), ..StreamSettings::new(stream, "group") }
}

async fn add(client: &mut Client, stream: &str, value: u64) -> String {
    client.xadd(stream, "*", &[("value", value)]).await.unwrap()
}

async fn pending(client: &mut Client, stream: &str) -> u64 {
    let reply: (u64, redis::Value, redis::Value, redis::Value) =
        redis::cmd("XPENDING").arg(stream).arg("group").query_async(client).await.unwrap();
    reply.0
}

/// What handlers have seen, how often.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<HashMap<u64, u64>>>);

impl Seen {
    fn see(&self, entry: &StreamEntry) -> u64 {
        let value = entry.get("value").unwrap().unwrap();
        self.0.lock().unwrap().entry(value).and_modify(|count| *count += 1).or_insert(1);
        value
    }

    fn values(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn times(&self, value: u64) -> u64 {
        self.0.lock().unwrap().get(&value).copied().unwrap_or(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_the_entries_and_each_is_handled_once() {
    let server = shared().await;
    let mut client = connect("adder", &server.url()).await;
    for value in 0..100 {
        add(&mut client, "shared", value).await;
    }
    let resource = resource("members", server).await;
    let seen = Seen::default();
    let members: Vec<_> = (0..3)
        .map(|_| {
            let seen = seen.clone();
            StreamConsumer::start(resource.clone(), settings("shared"), move |entry| {
                seen.see(&entry);
                async { Ok::<_, String>(()) }
            })
        })
        .collect();
    for value in 100..200 {
        add(&mut client, "shared", value).await;
    }
    eventually("all are acknowledged", LIMIT, async || {
        members.iter().map(|member| member.stats().handled).sum::<u64>() == 200
    })
    .await;
    assert_eq!(pending(&mut client, "shared").await, 0);
    assert!((0..200).all(|value| seen.times(value) == 1));
    assert!(resource.close(LIMIT).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_given_out_again_and_then_put_to_the_dead() {
    let server = shared().await;
    let mut client = connect("failer", &server.url()).await;
    let resource = resource("fails", server).await;
    let seen = Seen::default();
    let settings =
        StreamSettings { idle: Duration::from_millis(100), deliveries: 3, ..settings("fails") };
    let consumer = StreamConsumer::start(resource.clone(), settings, {
        let seen = seen.clone();
        move |entry| {
            let value = seen.see(&entry);
            let times = seen.times(value);
            async move {
                assert!(value != 2 || times > 1, "a panic is a failure");
                if value == 1 || times == 1 { Err("not yet") } else { Ok(()) }
            }
        }
    });
    let mut ids = Vec::new();
    for value in 0..3 {
        ids.push(add(&mut client, "fails", value).await);
    }
    eventually("nothing is left", LIMIT, async || {
        let stats = consumer.stats();
        stats.handled == 2 && stats.buried == 1 && pending(&mut client, "fails").await == 0
    })
    .await;
    assert_eq!((seen.times(0), seen.times(1), seen.times(2)), (2, 3, 2));
    let dead: redis::streams::StreamRangeReply = client.xrange_all("fails:dead").await.unwrap();
    let [dead] = &dead.ids[..] else { panic!("{dead:?}") };
    assert_eq!(dead.get::<String>("id"), Some(ids[1].clone()));
    assert_eq!(dead.get::<u64>("value"), Some(1));
    consumer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_left_behind_is_taken_over_and_what_it_still_handles_is_not() {
    let server = shared().await;
    let mut client = connect("left", &server.url()).await;
    let (gone, alive) = (resource("gone", server).await, resource("alive", server).await);
    let started = Seen::default();
    let hang = |seen: &Seen| {
        let seen = seen.clone();
        move |entry: StreamEntry| {
            seen.see(&entry);
            async { std::future::pending::<Result<(), String>>().await }
        }
    };
    let patient = StreamSettings { drain_limit: Duration::ZERO, ..settings("left") };
    let first = StreamConsumer::start(gone.clone(), patient, hang(&started));
    within("it reads", LIMIT, first.reading()).await;
    add(&mut client, "left", 1).await;
    eventually("it has begun", LIMIT, async || started.times(1) == 1).await;

    let taken = Seen::default();
    let second = StreamConsumer::start(alive, settings("left"), {
        let taken = taken.clone();
        move |entry| {
            taken.see(&entry);
            async { Ok::<_, String>(()) }
        }
    });
    within("it reads", LIMIT, second.reading()).await;
    // Three times as long as another's may lie: the handler still runs.
    let began = Instant::now();
    eventually("time passes", LIMIT, async || {
        assert_eq!((taken.values(), started.times(1)), (0, 1));
        began.elapsed() > Duration::from_millis(1_500)
    })
    .await;
    assert!(first.stop().await.is_err(), "its handler had to be dropped");
    eventually("it's taken over", LIMIT, async || {
        taken.times(1) == 1 && pending(&mut client, "left").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_member_begins_with_what_it_had_and_one_that_was_cut_goes_on() {
    let server = owned().await;
    let mut client = connect("restarts", &server.url()).await;
    let resource = resource("restarted", &server).await;
    let mine = StreamSettings {
        consumer: "me".into(),
        idle: Duration::from_secs(3_600),
        drain_limit: Duration::ZERO,
        ..StreamSettings::new("mine", "group")
    };
    let first = StreamConsumer::start(resource.clone(), mine.clone(), |_| async {
        std::future::pending::<Result<(), String>>().await
    });
    within("it reads", LIMIT, first.reading()).await;
    for value in 0..3 {
        add(&mut client, "mine", value).await;
    }
    eventually("they are given out", LIMIT, async || pending(&mut client, "mine").await == 3).await;
    // One of them is no longer there.
    let removed: redis::streams::StreamRangeReply = client.xrange_all("mine").await.unwrap();
    let () = client.xdel("mine", &[&removed.ids[0].id]).await.unwrap();
    assert!(first.stop().await.is_err());

    let seen = Seen::default();
    let second = StreamConsumer::start(resource.clone(), mine, {
        let seen = seen.clone();
        move |entry| {
            seen.see(&entry);
            async { Ok::<_, String>(()) }
        }
    });
    eventually("they are handled", LIMIT, async || seen.times(1) == 1 && seen.times(2) == 1).await;
    eventually("none is left", LIMIT, async || pending(&mut client, "mine").await == 0).await;
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    let mut client = connect("restarts again", &server.url()).await;
    add(&mut client, "mine", 10).await;
    eventually("it goes on", LIMIT, async || seen.times(10) == 1).await;
    // The stream is removed, and its group with it.
    let () = client.del("mine").await.unwrap();
    add(&mut client, "mine", 11).await;
    eventually("it goes on", LIMIT, async || seen.times(11) == 1).await;
    eventually("all are acknowledged", LIMIT, async || second.stats().handled == 4).await;
    assert_eq!((second.stats().failed, seen.values()), (0, 4), "what was removed is nobody's");
}

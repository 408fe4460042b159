//! What is built on the client, on a cluster.

use crate::LIMIT;
use crate::commands::{client, keys};
use qa_redis::redis::{self, AsyncCommands};
use qa_redis::{
    Cache, CacheSettings, Event, LockSettings, Locks, Rate, RateLimiter, StreamConsumer,
    StreamEntry, StreamSettings, Subscription, Topic,
};
use qa_servers::testing::{eventually, within};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_built_on_it_works_on_a_cluster() {
    let (mut client, resource) = client("tools").await;

    // Anybody tells of a channel; of a sharded one only who has its slot.
    let topics = [Topic::from("tools"), Topic::Sharded("tools-of-one".into())];
    let mut subscription = Subscription::start(resource.clone(), topics);
    within("the subscription", LIMIT, subscription.subscribed()).await;
    let _: u8 = client.publish("tools", "a").await.unwrap();
    let _: u8 =
        redis::cmd("SPUBLISH").arg("tools-of-one").arg("b").query_async(&mut client).await.unwrap();
    let mut heard = BTreeSet::new();
    for _ in 0..2 {
        match within("a message", LIMIT, subscription.next()).await {
            Some(Event::Message(message)) => heard.insert(message.payload),
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(heard, BTreeSet::from([b"a".to_vec(), b"b".to_vec()]));

    let locks = Locks::new(resource.clone(), LockSettings::default());
    for name in keys("tools-lock", 10) {
        let first = locks.acquire(&name, LIMIT).await.unwrap();
        assert!(locks.try_acquire(&name).await.unwrap().is_none());
        let token = first.token();
        first.release().await.unwrap();
        let second = locks.acquire(&name, LIMIT).await.unwrap();
        assert!(second.token() > token);
        second.release().await.unwrap();
    }

    let limiter = RateLimiter::new(resource.clone(), "tools", Rate::new(1, LIMIT));
    for key in keys("tools-limit", 10) {
        assert!(limiter.check(&key).await.unwrap().allowed);
        assert!(!limiter.check(&key).await.unwrap().allowed);
    }

    let cache = Cache::new(resource.clone(), "tools-cache", CacheSettings::default());
    for key in keys("prefix", 10) {
        let value = cache.get_or_compute(&key, async || Ok::<_, Infallible>(Some(3_u8)));
        assert_eq!(value.await.unwrap(), Some(3));
    }
    assert_eq!(cache.invalidate_prefix("prefix").await.unwrap(), 10);

    let sum = Arc::new(AtomicU64::new(0));
    let handled = Arc::clone(&sum);
    let settings = StreamSettings::new("tools-stream", "group");
    let consumer = StreamConsumer::start(resource.clone(), settings, move |entry: StreamEntry| {
        let handled = Arc::clone(&handled);
        async move {
            let value: u64 =
                entry.get("value").map_err(|error| error.to_string())?.unwrap_or_default();
            handled.fetch_add(value, Ordering::Relaxed);
            Ok::<_, String>(())
        }
    });
    for value in 1..=10_u64 {
        let _: String = client.xadd("tools-stream", "*", &[("value", value)]).await.unwrap();
    }
    eventually("all are handled", LIMIT, async || sum.load(Ordering::Relaxed) == 55).await;
    consumer.stop().await.unwrap();
    drop(subscription);
    assert!(resource.close(LIMIT).await.is_clean());
}

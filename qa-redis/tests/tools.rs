//! What strategies build on: rate limits, signals and cached values.

mod support;

use futures_util::future::join_all;
use qa_redis::redis::AsyncCommands;
use qa_redis::{Cache, CacheError, CacheSettings, Rate, RateLimiter, Redis, Signals};
use qa_resource_core::{ErrorKind, Resource, Settings};
use qa_servers::testing::{eventually, within};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{backend, connect, owned, shared};
use tokio::sync::Notify;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);

async fn resource(name: &str) -> Resource<Redis> {
    let backend = backend(name, &shared().await.url());
    let resource = Resource::new(name, backend, Settings::default());
    resource.connect().await.unwrap();
    resource
}

#[tokio::test]
async fn a_limit_lets_a_burst_through_and_then_one_as_often_as_its_rate() {
    let resource = resource("limit").await;
    let rate = Rate::new(10, Duration::from_secs(1)).burst(5);
    let limiter = RateLimiter::new(resource.clone(), "limit", rate);
    let mut remaining = Vec::new();
    for _ in 0..5 {
        let decision = limiter.check("a").await.unwrap();
        assert!(decision.allowed && decision.retry_after.is_zero());
        remaining.push(decision.remaining);
    }
    assert!(remaining.is_sorted_by(|one, next| one >= next), "{remaining:?}");
    let refused = limiter.check_many("a", 5).await.unwrap();
    assert!(!refused.allowed && refused.retry_after > Duration::from_millis(100), "{refused:?}");
    assert!(refused.retry_after <= refused.reset_after);
    assert!(limiter.check("b").await.unwrap().allowed, "another key has a bucket of its own");
    let never = limiter.check_many("c", 6).await.unwrap();
    assert!(!never.allowed, "more than fit in");
    assert!(limiter.check_many("c", 5).await.unwrap().allowed, "nothing was counted");

    // 20 more than the burst take as long as the rate says.
    let began = Instant::now();
    for _ in 0..20 {
        assert!(limiter.acquire("a", LIMIT).await.unwrap().allowed);
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_400), "{took:?}");
    let refused = limiter.acquire("a", Duration::from_millis(1)).await.unwrap();
    assert!(!refused.allowed);
}

#[tokio::test]
async fn many_processes_share_a_limit() {
    let limiters: Vec<_> = join_all((0..4).map(|number| async move {
        let resource = resource(&format!("sharer-{number}")).await;
        RateLimiter::new(resource, "shared", Rate::new(50, Duration::from_secs(3_600)))
    }))
    .await;
    let asked = (0..200).map(|number| limiters[number % 4].check("all"));
    let decisions = join_all(asked).await;
    let allowed = decisions.into_iter().filter(|decision| decision.as_ref().unwrap().allowed);
    assert_eq!(allowed.count(), 50);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Signal {
    side: String,
    price: f64,
}

#[tokio::test]
async fn signals_are_json_under_their_code_for_so_long() {
    let resource = resource("signals").await;
    let signals = Signals::new(resource.clone());
    let long = Signal { side: "long".into(), price: 9.5 };
    signals.publish("600000", &long).await.unwrap();
    assert_eq!(signals.get::<Signal>("600000").await.unwrap(), Some(long));
    assert_eq!(signals.get::<Signal>("600001").await.unwrap(), None);
    let mut client = connect("signals-reader", &shared().await.url()).await;
    let raw: String = client.get("signal:600000").await.unwrap();
    assert_eq!(raw, r#"{"side":"long","price":9.5}"#);
    let ttl: i64 = client.ttl("signal:600000").await.unwrap();
    assert!((295..=300).contains(&ttl), "{ttl}");

    signals.publish_all([("a", "flat"), ("b", "short")]).await.unwrap();
    let many: Vec<Option<String>> = signals.get_all(&["b", "c", "a"]).await.unwrap();
    assert_eq!(many, [Some("short".into()), None, Some("flat".into())]);
    let error = signals.get::<Signal>("a").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Operation && error.to_string().contains("signal of a"));
    let short = Signals::new(resource).with_ttl(Duration::from_millis(50)).with_prefix("brief:");
    short.publish("a", &1).await.unwrap();
    eventually("its time is over", LIMIT, async || short.get::<u8>("a").await.unwrap().is_none())
        .await;
}

fn cache(resource: &Resource<Redis>, name: &str, settings: CacheSettings) -> Cache {
    Cache::new(resource.clone(), name, settings)
}

fn value(value: u64) -> Ready<Result<Option<u64>, Infallible>> {
    ready(Ok(Some(value)))
}

/// What is computed takes so long.
async fn takes(time: Duration) {
    let _ = timeout(time, pending::<()>()).await;
}

fn none<T>() -> Ready<Result<Option<T>, Infallible>> {
    ready(Ok(None))
}

#[tokio::test]
async fn a_value_is_computed_once_and_kept() {
    let resource = resource("cache").await;
    let one = cache(&resource, "kept", CacheSettings::default());
    let other = cache(&resource, "kept", CacheSettings::default());
    assert_eq!(one.get_or_compute("a", || value(1)).await.unwrap(), Some(1));
    assert_eq!(one.get_or_compute("a", || value(2)).await.unwrap(), Some(1));
    assert_eq!(other.get_or_compute("a", || value(3)).await.unwrap(), Some(1));
    let strange = one.get_or_compute("a", none::<String>).await;
    assert!(matches!(strange, Err(CacheError::Json(_))), "{strange:?}");

    let none = one.get_or_compute("none", none::<u64>).await.unwrap();
    assert_eq!(none, None);
    assert_eq!(one.get_or_compute("none", || value(1)).await.unwrap(), None, "it's kept");
    let failed = one.get_or_compute("failed", async || Err::<Option<u64>, _>("no")).await;
    assert!(matches!(failed, Err(CacheError::Compute("no"))));
    assert_eq!(one.get_or_compute("failed", || value(1)).await.unwrap(), Some(1), "it's not");
}

#[tokio::test]
async fn many_who_ask_at_once_have_it_computed_once() {
    let resource = resource("flight").await;
    let cache = cache(&resource, "flight", CacheSettings::default());
    let computed = AtomicUsize::new(0);
    let go = Notify::new();
    let ask = || {
        cache.get_or_compute("a", async || {
            computed.fetch_add(1, Ordering::SeqCst);
            go.notified().await;
            value(7).await
        })
    };
    let all = join_all((0..100).map(|_| ask()));
    let release = async {
        eventually("one computes", LIMIT, async || computed.load(Ordering::SeqCst) == 1).await;
        go.notify_one();
    };
    let (values, ()) = within("all of them", LIMIT, async { tokio::join!(all, release) }).await;
    assert!(values.into_iter().all(|value| value.unwrap() == Some(7)));
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_gives_up_computing_is_followed_by_the_next() {
    let resource = resource("follow").await;
    let cache = cache(&resource, "follow", CacheSettings::default());
    let (began, settled) = (Notify::new(), Duration::from_millis(200));
    let first = cache.get_or_compute("a", async || {
        began.notify_one();
        pending::<Result<Option<u64>, Infallible>>().await
    });
    let second = async {
        began.notified().await;
        cache.get_or_compute("a", || value(2)).await
    };
    let both = async { tokio::join!(timeout(settled, first), second) };
    let (first, second) = within("both", LIMIT, both).await;
    assert!(first.is_err());
    assert_eq!(second.unwrap(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_all_processes_computes_where_that_is_asked_for() {
    let settings = CacheSettings { one_for_all: true, ..CacheSettings::default() };
    let computed = Arc::new(AtomicUsize::new(0));
    let processes = (0..8).map(|number| {
        let (settings, computed) = (settings.clone(), Arc::clone(&computed));
        tokio::spawn(async move {
            let resource = resource(&format!("process-{number}")).await;
            let cache = cache(&resource, "one for all", settings);
            cache
                .get_or_compute("a", async || {
                    computed.fetch_add(1, Ordering::SeqCst);
                    takes(Duration::from_millis(200)).await;
                    value(7).await
                })
                .await
                .unwrap()
        })
    });
    for value in within("all of them", LIMIT, join_all(processes)).await {
        assert_eq!(value.unwrap(), Some(7));
    }
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_invalidated_is_computed_anew_and_never_comes_back() {
    let resource = resource("invalid").await;
    let cache = cache(&resource, "invalid", CacheSettings::default());
    for key in ["bars.a", "bars.b", "ticks.a"] {
        cache.tagged(&["all", key]).get_or_compute(key, || value(1)).await.unwrap();
    }
    let now = async |key: &str| cache.get_or_compute(key, || value(2)).await.unwrap();
    cache.invalidate("bars.a").await.unwrap();
    assert_eq!((now("bars.a").await, now("bars.b").await), (Some(2), Some(1)));
    assert_eq!(cache.invalidate_prefix("bars.").await.unwrap(), 2);
    assert_eq!((now("bars.b").await, now("ticks.a").await), (Some(2), Some(1)));
    assert_eq!(cache.invalidate_tag("ticks.a").await.unwrap(), 1);
    assert_eq!(now("ticks.a").await, Some(2));
    assert_eq!(cache.invalidate_prefix("*").await.unwrap(), 0, "it's no pattern");

    // What was being computed meanwhile is given to who asked, and not kept.
    let (began, go) = (Notify::new(), Notify::new());
    let stale = cache.get_or_compute("stale", async || {
        began.notify_one();
        go.notified().await;
        value(1).await
    });
    let invalidated = async {
        began.notified().await;
        cache.invalidate_tag("anything").await.unwrap();
        go.notify_one();
    };
    let (stale, ()) = tokio::join!(stale, invalidated);
    assert_eq!(stale.unwrap(), Some(1));
    assert_eq!(now("stale").await, Some(2));
}

#[tokio::test]
async fn what_takes_long_is_computed_early_by_one_while_the_others_have_the_old() {
    let resource = resource("early").await;
    // So eager that the next who asks does it.
    let settings = CacheSettings { early: 1e9, jitter: 0.0, ..CacheSettings::default() };
    let cache = cache(&resource, "early", settings);
    let slow = async |value: u64| {
        takes(Duration::from_millis(20)).await;
        Ok::<_, Infallible>(Some(value))
    };
    assert_eq!(cache.get_or_compute("a", || slow(1)).await.unwrap(), Some(1));
    let (began, go) = (Notify::new(), Notify::new());
    let early = cache.get_or_compute("a", async || {
        began.notify_one();
        go.notified().await;
        slow(2).await
    });
    let others = async {
        began.notified().await;
        let old = cache.get_or_compute("a", || slow(3)).await.unwrap();
        go.notify_one();
        old
    };
    let (early, old) = within("both", LIMIT, async { tokio::join!(early, others) }).await;
    assert_eq!((early.unwrap(), old), (Some(2), Some(1)));
}

#[tokio::test]
async fn without_a_server_values_are_computed() {
    let server = owned().await;
    let settings = Settings { acquire_timeout: Duration::from_millis(100), ..Settings::default() };
    let resource = Resource::new("away", backend("away", &server.url()), settings);
    resource.connect().await.unwrap();
    let settings = CacheSettings { one_for_all: true, ..CacheSettings::default() };
    let cache = cache(&resource, "away", settings);
    assert_eq!(cache.get_or_compute("a", || value(1)).await.unwrap(), Some(1));
    server.kill().await.unwrap();
    eventually("it is noticed", LIMIT, async || resource.try_acquire().is_err()).await;
    for number in 2..5 {
        let computed = cache.get_or_compute("a", || value(number)).await.unwrap();
        assert_eq!(computed, Some(number));
    }
}

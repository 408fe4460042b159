//! What the members do together: connect, report, close.

use super::four::{ORDER, Servers, pool_of};
use crate::behaviour::PATIENCE;
use integration_tests::{Silent, Subject, connections, eventually, servers, within};
use qa_pool::core::{Transition, Watch};
use qa_pool::{Backend, Health, ResourcePool, State};
use std::time::{Duration, Instant};

/// Connecting, then ready: the first two changes of a watch.
async fn first_two<B: Backend>(mut watch: Watch<B>) -> [Transition; 2] {
    [watch.next().await.unwrap(), watch.next().await.unwrap()]
}

/// One thread, so that nothing can be ready before all that are asked at once have begun.
#[tokio::test]
async fn four_connect_at_once_and_take_as_long_as_the_slowest() {
    let pool = Servers::shared().await.pool("parallel").await;
    let (redis, mongo) = (pool.redis().unwrap(), pool.mongo().unwrap());
    let (clickhouse, amqp) = (pool.clickhouse().unwrap(), pool.amqp().unwrap());
    // Made before anything changes.
    let (redis, mongo) = (first_two(redis.watch()), first_two(mongo.watch()));
    let (clickhouse, amqp) = (first_two(clickhouse.watch()), first_two(amqp.watch()));
    let watched = async { tokio::join!(redis, mongo, clickhouse, amqp) };
    let began = Instant::now();
    let (connected, watched) = tokio::join!(
        async {
            pool.connect().await.unwrap();
            began.elapsed()
        },
        within("every change", PATIENCE, watched)
    );
    let stories = [watched.0, watched.1, watched.2, watched.3];
    for [begin, end] in &stories {
        assert_eq!((begin.to, end.to), (State::Connecting, State::Ready), "{}", begin.resource);
    }
    let last_begun = stories.iter().map(|[begin, _]| begin.at).max().unwrap();
    let first_ready = stories.iter().map(|[_, end]| end.at).min().unwrap();
    assert!(last_begun <= first_ready, "one waited for another: {stories:#?}");
    let sum: Duration = stories.iter().map(|[_, end]| end.in_previous).sum();
    assert!(connected < sum, "{connected:?} of {sum:?}");
    eprintln!("four connected in {connected:.1?}; one after the other it would be {sum:.1?}");
    assert!(pool.close(PATIENCE).await.is_clean());
}

/// As above, the other way round: none of them gets anywhere, and all of them are at it.
#[tokio::test]
async fn a_member_that_hangs_delays_no_other_connect() {
    let silent = Silent::new();
    let mut urls = Servers::shared().await.urls("delays").await;
    urls[2] = format!("mongodb://somebody:something@127.0.0.1:{}", silent.port());
    let pool = pool_of(&urls);
    let connecting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.connect().await.is_ok() }
    });
    let states = || pool.status().iter().map(|status| status.state).collect::<Vec<_>>();
    let expected = [State::Ready, State::Ready, State::Connecting, State::Ready];
    eventually("all but one are ready", PATIENCE, async || states() == expected).await;
    assert!(!connecting.is_finished() && !pool.is_ready());

    let report = pool.close(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "a connect under way is dropped: {report}");
    assert!(!within("the connect", PATIENCE, connecting).await.unwrap());
    eventually("hung up", PATIENCE, async || connections(silent.port()) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_member_costs_its_own_share_of_a_close_and_is_named() {
    // So short that the share of the frozen one is less than its goodbye would take.
    const LIMIT: Duration = Duration::from_millis(1_500);
    let rabbit = servers::to_break(integration_tests::RabbitMq::SYSTEM).await;
    let pool = Servers { rabbit: &rabbit, ..Servers::shared().await }.connected("share").await;

    rabbit.freeze().await.unwrap();
    let began = Instant::now();
    let report = within("the close", PATIENCE, pool.close(LIMIT)).await;
    let took = began.elapsed();
    eprintln!("{report}");
    assert!(took <= LIMIT + Duration::from_millis(250), "took {took:?}: {report}");
    let closed: Vec<_> = report.resources.iter().map(|member| &*member.resource).collect();
    let reverse: Vec<_> = ORDER.into_iter().rev().collect();
    assert_eq!(closed, reverse);
    for member in &report.resources {
        assert_eq!(member.is_clean(), &*member.resource != "amqp", "{report}");
    }
    let line =
        report.to_string().lines().find(|line| line.starts_with("amqp ")).unwrap().to_owned();
    assert!(line.contains("forced: goodbye was not heard"), "{line}");
    assert!(pool.status().iter().all(|status| status.state == State::Closed));
    assert_eq!(pool.close(LIMIT).await.to_string(), report.to_string(), "it closes once");
    rabbit.thaw().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_with_one_frozen_member_is_there_for_the_others() {
    let redis = servers::to_break(integration_tests::Redis::SYSTEM).await;
    let pool = Servers { redis: &redis, ..Servers::shared().await }.connected("health").await;
    let health = async |pool: &ResourcePool| {
        let readings = pool.health().await;
        assert!(readings.iter().map(|(name, _)| name.as_str()).eq(ORDER));
        readings.into_iter().map(|(_, reading)| reading).collect::<Vec<_>>()
    };
    assert!(health(&pool).await.iter().all(|reading| reading.health == Health::Up));

    redis.freeze().await.unwrap();
    // Two limits of 1 s: a ping may be under way when one is asked for.
    let limit = Duration::from_secs(3);
    let readings = within("the readings", limit, health(&pool)).await;
    let (frozen, others) = readings.split_first().unwrap();
    assert!(matches!(frozen.health, Health::Degraded | Health::Down), "{frozen:?}");
    assert!(frozen.error.is_some(), "it says why: {frozen:?}");
    for reading in others {
        assert_eq!(reading.health, Health::Up, "{reading:?}");
    }
    redis.thaw().await.unwrap();
    let back = async || health(&pool).await.iter().all(|reading| reading.health == Health::Up);
    eventually("all four are up again", PATIENCE, back).await;
    assert!(pool.close(PATIENCE).await.is_clean());
}

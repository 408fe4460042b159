//! Locks: one holder at a time, in order, with tokens that only grow, whatever happens to the server.

mod support;

use futures_util::future::join_all;
use qa_redis::redis::{self, AsyncCommands};
use qa_redis::{LockError, LockSettings, Locks, LostBy, Redis};
use qa_resource_core::{Group, Resource, Settings};
use qa_servers::testing::{eventually, within};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{backend, connect, owned, shared};

const LIMIT: Duration = Duration::from_secs(20);

fn settings(ttl: Duration) -> LockSettings {
    LockSettings { ttl, ..LockSettings::default() }
}

async fn resource(name: &str, url: &str) -> Resource<Redis> {
    let settings = Settings {
        backoff_cap: Duration::from_millis(500),
        acquire_timeout: Duration::from_secs(1),
        operation_timeout: Duration::from_secs(2),
        ..Settings::default()
    };
    let resource = Resource::new(name, backend(name, url), settings);
    resource.connect().await.unwrap();
    resource
}

async fn locks(name: &str, ttl: Duration) -> Locks {
    Locks::new(resource(name, &shared().await.url()).await, settings(ttl))
}

#[tokio::test]
async fn one_has_it_and_tokens_grow() {
    let locks = locks("one", Duration::from_secs(10)).await;
    let first = locks.try_acquire("tokens").await.unwrap().expect("it's free");
    assert!(first.is_held() && first.remaining() > Duration::from_secs(9));
    assert!(locks.try_acquire("tokens").await.unwrap().is_none());
    let other = locks.try_acquire("another").await.unwrap();
    assert!(other.is_some(), "another lock is another");
    let busy = locks.acquire("tokens", Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(busy, LockError::Busy { .. }), "{busy}");
    let mut last = first.token();
    first.release().await.unwrap();
    for _ in 0..5 {
        let next = locks.try_acquire("tokens").await.unwrap().expect("it's free");
        assert!(next.token() > last);
        last = next.token();
        next.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_guard_and_a_dropped_wait_leave_nothing_behind() {
    let locks = locks("dropped", Duration::from_secs(30)).await;
    let mut client = connect("dropped-watcher", &shared().await.url()).await;
    let guard = locks.try_acquire("dropped").await.unwrap().unwrap();
    let wait = tokio::time::timeout(
        Duration::from_millis(50),
        locks.acquire("dropped", Duration::from_secs(30)),
    );
    assert!(wait.await.is_err());
    eventually("the place in the line is given up", LIMIT, async || {
        !client.exists::<_, bool>("lock:{dropped}:queue").await.unwrap()
    })
    .await;
    drop(guard);
    eventually("it's free", LIMIT, async || {
        !client.exists::<_, bool>("lock:{dropped}").await.unwrap()
    })
    .await;
}

#[tokio::test]
async fn it_outlives_its_time_while_it_is_kept_and_no_longer_than_it_may() {
    let ttl = Duration::from_millis(1_200);
    let locks = locks("kept", ttl).await;
    let guard = locks.try_acquire("kept").await.unwrap().unwrap();
    let began = Instant::now();
    eventually("four times its time is over", LIMIT, async || {
        assert!(guard.is_held());
        assert!(locks.try_acquire("kept").await.unwrap().is_none());
        began.elapsed() > 4 * ttl
    })
    .await;
    guard.release().await.unwrap();

    let resource = resource("longest", &shared().await.url()).await;
    let longest = LockSettings { longest: Some(ttl), ..settings(ttl) };
    let locks = Locks::new(resource, longest);
    let began = Instant::now();
    let guard = locks.try_acquire("longest").await.unwrap().unwrap();
    let lost = within("its end", LIMIT, guard.lost()).await;
    assert!(matches!(lost, LockError::Lost { cause: LostBy::Longest, .. }), "{lost}");
    assert!(began.elapsed() >= ttl && began.elapsed() < 3 * ttl, "{:?}", began.elapsed());
    assert!(!guard.is_held() && guard.lost_token().is_cancelled());
}

#[tokio::test]
async fn one_that_was_removed_is_lost_and_its_release_says_so() {
    let locks = locks("removed", Duration::from_millis(600)).await;
    let mut client = connect("remover", &shared().await.url()).await;
    let guard = locks.try_acquire("removed").await.unwrap().unwrap();
    let () = client.del("lock:{removed}").await.unwrap();
    let lost = within("the loss", LIMIT, guard.lost()).await;
    assert!(matches!(lost, LockError::Lost { cause: LostBy::Server, .. }), "{lost}");
    let next = locks.try_acquire("removed").await.unwrap().expect("it's free");
    assert!(next.token() > guard.token());
    let error = guard.release().await.unwrap_err();
    assert!(matches!(error, LockError::Lost { .. }), "{error}");
    assert!(next.is_held());
    assert!(locks.try_acquire("removed").await.unwrap().is_none(), "the other's is not touched");
}

#[tokio::test]
async fn who_came_first_is_served_first() {
    let locks = Arc::new(locks("line", Duration::from_secs(10)).await);
    let mut client = connect("line-watcher", &shared().await.url()).await;
    let guard = locks.try_acquire("line").await.unwrap().unwrap();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waiters = Vec::new();
    for number in 0..8_usize {
        let (locks, served) = (Arc::clone(&locks), Arc::clone(&served));
        waiters.push(tokio::spawn(async move {
            let guard = locks.acquire("line", LIMIT).await.unwrap();
            served.lock().unwrap().push((number, guard.token()));
            guard.release().await.unwrap();
        }));
        eventually("it stands in line", LIMIT, async || {
            client.zcard::<_, usize>("lock:{line}:queue").await.unwrap() == number + 1
        })
        .await;
    }
    guard.release().await.unwrap();
    within("all of them", LIMIT, join_all(waiters)).await;
    let served = served.lock().unwrap();
    assert!(served.is_sorted() && served.len() == 8, "{served:?}");
    assert!(served.is_sorted_by_key(|(_, token)| *token), "{served:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_costs_the_lock_in_time_and_a_restarted_one_gives_greater_tokens() {
    let server = owned().await;
    let ttl = Duration::from_secs(1);
    let locks = Locks::new(resource("frozen", &server.url()).await, settings(ttl));
    let guard = locks.try_acquire("frozen").await.unwrap().unwrap();
    server.freeze().await.unwrap();
    let began = Instant::now();
    let lost = within("the loss", LIMIT, guard.lost()).await;
    assert!(matches!(lost, LockError::Lost { cause: LostBy::Time, .. }), "{lost}");
    assert!(began.elapsed() <= ttl + Duration::from_millis(250), "{:?}", began.elapsed());
    server.thaw().await.unwrap();
    let second = locks.acquire("frozen", LIMIT).await.unwrap();
    assert!(second.token() > guard.token());

    // It forgets all it knew.
    let mut client = connect("forgetter", &server.url()).await;
    let () = redis::cmd("FLUSHALL").query_async(&mut client).await.unwrap();
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    let third = locks.acquire("frozen", LIMIT).await.unwrap();
    assert!(third.token() > second.token());
    let lost = within("the loss", LIMIT, second.lost()).await;
    assert!(matches!(lost, LockError::Lost { .. }), "{lost}");
    assert!(third.is_held());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_give_up_at_any_moment_leave_one_holder_at_a_time() {
    let locks = Arc::new(locks("many", Duration::from_secs(10)).await);
    let (inside, last, served) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks = (0..20).map(|_| {
        let locks = Arc::clone(&locks);
        let (inside, last, served) = (Arc::clone(&inside), Arc::clone(&last), Arc::clone(&served));
        tokio::spawn(async move {
            for _ in 0..20 {
                let patience = Duration::from_millis(fastrand::u64(1..200));
                let taken =
                    tokio::time::timeout(patience, locks.acquire("many", Duration::from_secs(60)));
                let Ok(guard) = taken.await else { continue };
                let guard = guard.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                assert!(last.swap(guard.token(), Ordering::SeqCst) < guard.token());
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                served.fetch_add(1, Ordering::SeqCst);
                guard.release().await.unwrap();
            }
        })
    });
    for task in within("all of them", 3 * LIMIT, join_all(tasks)).await {
        task.unwrap();
    }
    assert!(served.load(Ordering::SeqCst) > 20, "{served:?}");
    let free = within("it's free", LIMIT, locks.acquire("many", LIMIT)).await;
    assert!(free.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_of_several_masters_decides_and_its_tokens_grow() {
    let servers = join_all((0..3).map(|_| owned())).await;
    let mut groups = Vec::new();
    for (number, server) in servers.iter().enumerate() {
        let master = resource(&format!("master-{number}"), &server.url()).await;
        groups.push(Group::from(master));
    }
    let locks = Locks::quorum(groups, settings(Duration::from_secs(2)));
    let first = locks.acquire("quorum", LIMIT).await.unwrap();
    assert!(locks.try_acquire("quorum").await.unwrap().is_none());
    let mut token = first.token();
    first.release().await.unwrap();
    // Whichever of them is away, and whatever it forgot.
    for server in &servers {
        server.kill().await.unwrap();
        let guard = locks.acquire("quorum", LIMIT).await.unwrap();
        assert!(guard.token() > token);
        token = guard.token();
        assert!(locks.try_acquire("quorum").await.unwrap_or_default().is_none());
        guard.release().await.unwrap();
        server.start_again().await.unwrap();
        let guard = locks.acquire("quorum", LIMIT).await.unwrap();
        assert!(guard.token() > token);
        token = guard.token();
        guard.release().await.unwrap();
    }
    // With two away there is none, and one that was held is lost.
    let guard = locks.acquire("quorum", LIMIT).await.unwrap();
    servers[0].freeze().await.unwrap();
    servers[1].kill().await.unwrap();
    let lost = within("the loss", LIMIT, guard.lost()).await;
    assert!(matches!(lost, LockError::Lost { cause: LostBy::Time, .. }), "{lost}");
    let none = locks.acquire("quorum", Duration::from_secs(1)).await.unwrap_err();
    assert!(!matches!(none, LockError::Lost { .. }), "{none}");
    servers[0].thaw().await.unwrap();
    servers[1].start_again().await.unwrap();
    let again = locks.acquire("quorum", LIMIT).await.unwrap();
    assert!(again.token() > guard.token());
}

#[tokio::test]
async fn who_can_not_be_asked_is_named() {
    let server = owned().await;
    let locks = Locks::new(resource("away", &server.url()).await, LockSettings::default());
    server.kill().await.unwrap();
    let error = locks.try_acquire("away").await.unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
    let began = Instant::now();
    let error = locks.acquire("away", Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
    assert!(began.elapsed() < LIMIT);
}

//! Redis under the supervisor: it comes back after everything, and nothing is done twice.

mod support;

use qa_redis::Redis;
use qa_redis::redis::{self, AsyncCommands};
use qa_resource_core::{Error, ErrorKind, Resource, Settings, State};
use qa_servers::Server;
use qa_servers::testing::eventually;
use std::time::{Duration, Instant};
use support::{AT_ONCE, backend, connect, connections, owned, shared};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(10);

async fn resource(server: &Server) -> Resource<Redis> {
    let settings = Settings { backoff_cap: Duration::from_secs(1), ..Settings::default() };
    let resource = Resource::new("redis", backend("redis", &server.url()), settings);
    resource.connect().await.unwrap();
    resource
}

async fn reaches(resource: &Resource<Redis>, state: State, limit: Duration) {
    let mut watch = resource.watch();
    let reached = timeout(limit, watch.wait_for(state)).await;
    assert!(reached.is_ok(), "not {state:?} within {limit:?}: {:?}", resource.status());
}

async fn set_and_get(resource: &Resource<Redis>, value: u64) -> Result<u64, Error> {
    resource
        .run(|lease| async move {
            let mut client = lease.clone();
            let () = client.set("value", value).await?;
            client.get("value").await
        })
        .await
}

#[tokio::test]
async fn works_and_closes_cleanly() {
    let server = shared().await;
    let mut watcher = connect("resource-watcher", &server.url()).await;
    let settings = Settings::default();
    let resource = Resource::new("orderly", backend("orderly", &server.url()), settings);
    resource.connect().await.unwrap();
    assert_eq!(set_and_get(&resource, 1).await.unwrap(), 1);
    let kept = resource.acquire().await.unwrap().clone();
    assert_eq!(connections(&mut watcher, "orderly").await, 1);
    let report = resource.close(LIMIT).await;
    assert!(report.is_clean(), "{report}");
    eventually("the server has let go", AT_ONCE, async || {
        connections(&mut watcher, "orderly").await == 0
    })
    .await;
    drop(kept);
    let error = set_and_get(&resource, 2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comes_back_after_restart_and_kill() {
    let server = owned().await;
    let resource = resource(&server).await;
    for (round, graceful) in [(1, true), (2, false)] {
        if graceful {
            server.stop().await.unwrap();
        } else {
            server.kill().await.unwrap();
        }
        reaches(&resource, State::Reconnecting, AT_ONCE).await;
        server.start_again().await.unwrap();
        reaches(&resource, State::Ready, Duration::from_secs(3)).await;
        assert_eq!(set_and_get(&resource, round).await.unwrap(), round);
    }
    assert!(resource.close(LIMIT).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_is_noticed_and_comes_back() {
    let server = owned().await;
    let resource = resource(&server).await;
    let began = Instant::now();
    server.freeze().await.unwrap();
    reaches(&resource, State::Reconnecting, Duration::from_secs(5)).await;
    let noticed = began.elapsed();
    server.thaw().await.unwrap();
    let began = Instant::now();
    // The cap of the backoff, what is left of the attempt under way, and a second.
    reaches(&resource, State::Ready, Duration::from_secs(4)).await;
    eprintln!("noticed after {noticed:?}, back after {:?}", began.elapsed());
    assert_eq!(set_and_get(&resource, 7).await.unwrap(), 7);
    assert!(resource.close(LIMIT).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_password_heals_without_restart() {
    let server = owned().await;
    let resource = resource(&server).await;
    let mut admin = connect("admin", &server.url()).await;
    let set = |password: &str| {
        let rule = format!(">{password}");
        redis::cmd("ACL").arg(&["SETUSER", server.user(), "resetpass", &rule]).to_owned()
    };
    set("another").exec_async(&mut admin).await.unwrap();
    support::cut(&mut admin, &mut resource.acquire().await.unwrap().clone()).await;
    let refused = async || {
        let error = resource.status().last_error;
        error.is_some_and(|error| error.kind() == ErrorKind::Auth)
    };
    eventually("the login is refused", LIMIT, refused).await;
    assert_eq!(resource.state(), State::Reconnecting);
    set(server.password()).exec_async(&mut admin).await.unwrap();
    reaches(&resource, State::Ready, LIMIT).await;
    assert_eq!(set_and_get(&resource, 3).await.unwrap(), 3);
    assert!(resource.close(LIMIT).await.is_clean());
}

/// Counters that only grow: each confirmed increment is there, and none that was said to be refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_applied_twice_while_connections_are_cut() {
    let server = owned().await;
    let resource = resource(&server).await;
    let mut admin = connect("admin", &server.url()).await;
    let workers: Vec<_> = (0..20).map(|_| tokio::spawn(increments(resource.clone()))).collect();
    for _ in 0..20 {
        let Ok(lease) = resource.acquire().await else { continue };
        let id = redis::cmd("CLIENT").arg("ID").query_async::<u64>(&mut lease.clone()).await;
        let Ok(id) = id else { continue };
        let mut kill = redis::cmd("CLIENT");
        let killed: u64 = kill.arg("KILL").arg("ID").arg(id).query_async(&mut admin).await.unwrap();
        assert!(killed <= 1);
    }
    let (mut confirmed, mut unknown) = (0, 0);
    for worker in workers {
        let (yes, perhaps) = worker.await.unwrap();
        confirmed += yes;
        unknown += perhaps;
    }
    let counter: u64 = admin.get("counter").await.unwrap();
    eprintln!("confirmed {confirmed}, unknown {unknown}, counter {counter}");
    assert!((confirmed..=confirmed + unknown).contains(&counter));
    assert!(resource.status().generation > 1 && confirmed > 0);
    assert!(resource.close(LIMIT).await.is_clean());
}

async fn increments(resource: Resource<Redis>) -> (u64, u64) {
    let (mut confirmed, mut unknown) = (0, 0);
    for _ in 0..300 {
        let increment = resource.run(|lease| async move { lease.clone().incr("counter", 1).await });
        match increment.await {
            Ok(counter) => {
                let _: u64 = counter;
                confirmed += 1;
            }
            Err(error) if error.outcome() == qa_resource_core::Outcome::Unknown => unknown += 1,
            Err(_) => {}
        }
    }
    (confirmed, unknown)
}

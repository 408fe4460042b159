//! No connect, failed connect, dropped connect or close leaves a thread of the driver, and one that is idle
//! has little memory.
//!
//! One test, because threads and memory are counted for the whole process.

#[path = "broker/support.rs"]
mod support;

use futures_util::future::try_join_all;
use qa_resource_core::Backend;
use qa_servers::testing::{Silent, eventually};
use qa_servers::{Server, System};
use std::time::{Duration, Instant};
use support::{backend, io_threads};

async fn no_threads(after: &str) {
    eventually(&format!("no thread after {after}"), Duration::from_secs(5), async || {
        io_threads() == 0
    })
    .await;
}

/// The KiB of memory that this process has in use.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_way_to_connect_leaves_a_thread_and_what_is_idle_has_little_memory() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    let url = server.url();

    let good = backend("good", &url);
    for _ in 0..100 {
        let client = good.connect().await.unwrap();
        assert_eq!(io_threads(), 2);
        good.ping(&client).await.unwrap();
        let leaked = client.clone();
        good.close(client).await.unwrap();
        no_threads("a close, with a clone of the client left").await;
        assert!(good.ping(&leaked).await.is_err());
    }

    drop(good.connect().await.unwrap());
    no_threads("a client that was dropped").await;

    let before = resident();
    let idle = try_join_all((0..20).map(|_| good.connect())).await.unwrap();
    let each = resident().saturating_sub(before) / idle.len();
    assert!(each < 2048, "an idle client has {each} KiB");
    drop(idle);
    no_threads("twenty clients that were dropped").await;

    let wrong = backend("wrong", &url.replace("://", "://nobody-"));
    for _ in 0..50 {
        wrong.connect().await.unwrap_err();
    }
    no_threads("logins that were refused").await;

    let silent = Silent::new();
    let port = silent.port();
    let mute = backend("mute", &format!("amqp://127.0.0.1:{port}"));
    for _ in 0..50 {
        let limit = Duration::from_millis(50);
        assert!(tokio::time::timeout(limit, mute.connect()).await.is_err());
    }
    no_threads("handshakes that were given up").await;

    let url = format!("amqp://127.0.0.1:{port}?connection_timeout=200");
    let begun = Instant::now();
    let error = backend("mute", &url).connect().await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(2), "{error}");
    no_threads("a handshake that ran into its limit").await;

    let client = good.connect().await.unwrap();
    server.freeze().await.unwrap();
    // As the resource does: it is what bounds a goodbye.
    let goodbye = tokio::time::timeout(Duration::from_secs(1), good.close(client));
    assert!(goodbye.await.is_err(), "a frozen broker hears nothing");
    no_threads("a goodbye that a frozen broker did not hear").await;
    assert!(tokio::time::timeout(Duration::from_secs(1), good.connect()).await.is_err());
    no_threads("a connect to a frozen broker").await;
}

//! Connecting, pinging, closing.

use crate::support::{PATIENCE, backend, close, patient, shared, vhost, with_bars};
use qa_amqp::{Queue, RabbitMq, Topology};
use qa_resource_core::{Backend, ErrorKind, Resource, State};
use qa_servers::proxy::{Ending, FaultProxy, Faults, Way};
use std::time::Instant;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn connects_is_ready_and_closes_cleanly() {
    let url = vhost("connect").await;
    let resource = with_bars(&url).await;
    assert_eq!(resource.state(), State::Ready);
    let lease = resource.acquire().await.unwrap();
    assert_eq!(lease.publishing().status().vhost().as_str(), "connect");
    assert!(lease.blocked().is_none());
    drop(lease);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_an_auth_error_after_one_attempt() {
    let good = vhost("password").await;
    let url = good.replace(shared().await.password(), "wrong-c4n4ry");
    assert_ne!(url, good);
    let resource = Resource::new("r", backend("r", &url), patient());
    let begun = Instant::now();
    let error = resource.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(begun.elapsed() < PATIENCE);
    assert!(!format!("{error} {error:?}").contains("c4n4ry"), "{error:?}");
    assert_eq!(resource.state(), State::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_virtual_host_is_a_configuration_error() {
    let url = vhost("known").await.replace("/known", "/nowhere");
    let error = backend("r", &url).connect().await.unwrap_err();
    assert_eq!(error.reply_code(), Some(530), "{error}");
    assert_eq!(RabbitMq::classify(&error).kind, ErrorKind::Config);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_is_passed_over() {
    let url = vhost("hosts").await;
    let port = shared().await.port();
    // Port 9 (discard) is refused; whichever of the two is drawn first, the good one is found.
    let url = url.replace(&format!(":{port}"), &format!(":9,127.0.0.1:{port}"));
    for _ in 0..6 {
        let backend = backend("hosts", &url);
        let client = backend.connect().await.unwrap();
        backend.close(client).await.unwrap();
    }
    let error = backend("hosts", "amqp://127.0.0.1:9").connect().await.unwrap_err();
    assert_eq!(RabbitMq::classify(&error).kind, ErrorKind::Connect, "{error}");
}

/// The bytes of the answer by which a channel is open; the next question is about the topology.
const CHANNEL_OPEN_OK: u64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_says_nothing_after_the_login_is_passed_over() {
    let (url, port) = (vhost("mute").await, shared().await.port());
    let proxy = FaultProxy::open(port).await;
    let alone = backend("alone", &proxy.url(&url));
    let client = alone.connect().await.unwrap();
    // Of two connections.
    let login = proxy.counts().bytes_to_client / 2;
    alone.close(client).await.unwrap();

    let mute = Some((login + CHANNEL_OPEN_OK, Ending::Silence));
    proxy.set(Faults { to_client: Way { cut_after: mute, ..Way::default() }, ..Faults::default() });
    let hosts = format!(":{},127.0.0.1:{port}", proxy.port());
    let url = url.replace(&format!(":{port}"), &hosts) + "?connection_timeout=500";
    let before = proxy.counts().accepted;
    // Until it was the first that was drawn.
    while proxy.counts().accepted == before {
        let topology = Topology::new().queue(Queue::new("mine").exclusive());
        let backend = backend("hosts", &url).with_topology(topology);
        let client = timeout(PATIENCE / 3, backend.connect()).await.unwrap().unwrap();
        backend.close(client).await.unwrap();
    }
}

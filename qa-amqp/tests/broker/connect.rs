//! Connecting, pinging, closing.

use crate::support::{PATIENCE, backend, close, patient, shared, vhost, with_bars};
use qa_amqp::RabbitMq;
use qa_resource_core::{Backend, ErrorKind, Resource, State};
use std::time::Instant;

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

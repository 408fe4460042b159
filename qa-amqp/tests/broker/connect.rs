//! Connecting, pinging, declaring, closing.

use crate::support::{PATIENCE, backend, close, depth, patient, shared, vhost, with_bars};
use qa_amqp::lapin::types::{AMQPValue, FieldTable};
use qa_amqp::{Binding, Error, Exchange, Queue, RabbitMq, Topology};
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

#[tokio::test(flavor = "multi_thread")]
async fn the_topology_is_there_before_the_resource_is_ready_and_after_a_reconnect() {
    let url = vhost("topology").await;
    let topology = Topology::new()
        .exchange(Exchange::topic("market"))
        .exchange(Exchange::fanout("all"))
        .queue(Queue { exclusive: true, durable: false, ..Queue::new("mine") })
        .bind(Binding::exchange("all", "market", "bar.#"))
        .bind(Binding::queue("mine", "all", ""));
    let backend = backend("t", &url).with_topology(topology);
    let resource = Resource::new("t", backend, patient());
    resource.connect().await.unwrap();
    let lease = resource.acquire().await.unwrap();
    assert_eq!(depth(&lease, "mine").await, (0, 0));
    let later =
        Topology::new().queue(Queue { exclusive: true, durable: false, ..Queue::new("later") });
    lease.declare(later).await.unwrap();
    drop(lease);

    // Exclusive queues end with their connection: what is there afterwards was declared anew.
    let mut watch = resource.watch();
    resource.reconnect();
    assert!(watch.wait_for(State::Reconnecting).await);
    let lease = resource.acquire().await.unwrap();
    assert_eq!(lease.generation(), 2);
    assert_eq!(depth(&lease, "mine").await, (0, 0));
    assert_eq!(depth(&lease, "later").await, (0, 0));
    drop(lease);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clash_names_the_entity_and_nothing_is_remembered_of_it() {
    let url = vhost("clash").await;
    let resource = with_bars(&url).await;
    let lease = resource.acquire().await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    let other = Topology::new().queue(Queue { arguments, ..Queue::new("bars") });
    let error = lease.declare(other).await.unwrap_err();
    assert_eq!(error.reply_code(), Some(406));
    assert!(matches!(&error, Error::Declare { entity, .. } if entity == "queue `bars`"), "{error}");
    assert_eq!(RabbitMq::classify(&error).kind, ErrorKind::Operation);
    drop(lease);

    let mut watch = resource.watch();
    resource.reconnect();
    assert!(watch.wait_for(State::Reconnecting).await);
    assert_eq!(resource.acquire().await.unwrap().generation(), 2);
    close(resource).await;
}

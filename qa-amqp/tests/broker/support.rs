//! What the tests on a real broker share.
#![allow(dead_code, reason = "each test binary uses some of it")]

use qa_amqp::lapin::BasicProperties;
use qa_amqp::lapin::options::QueueDeclareOptions;
use qa_amqp::lapin::types::FieldTable;
use qa_amqp::{Publisher, PublisherSettings, Queue, RabbitMq, Topology};
use qa_resource_core::{Lease, Resource, Settings, Target};
use qa_servers::{Server, System};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Generous, because two cores may be starting three brokers at the same time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The broker that the tests of this binary share, each in its own virtual host.
pub(crate) async fn shared() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(|| async { Server::start(System::RabbitMq).await.unwrap() }).await
}

/// A fresh virtual host's URL on the shared broker.
pub(crate) async fn vhost(name: &str) -> String {
    shared().await.vhost(name).await.unwrap()
}

pub(crate) fn backend(name: &str, url: &str) -> RabbitMq {
    RabbitMq::new(&Target::parse(name, url).unwrap()).unwrap()
}

/// A broker that is busy with the other tests, or whose disk is, may be slow to hear a goodbye.
pub(crate) fn patient() -> Settings {
    Settings { close_timeout: PATIENCE, ..Settings::default() }
}

/// A connected resource that declares the durable queue `bars`.
pub(crate) async fn with_bars(url: &str) -> Resource<RabbitMq> {
    let backend = backend("bars", url).with_topology(Topology::new().queue(Queue::new("bars")));
    let resource = Resource::new("bars", backend, patient());
    resource.connect().await.unwrap();
    resource
}

pub(crate) async fn close(resource: Resource<RabbitMq>) {
    let report = resource.close(2 * PATIENCE).await;
    assert!(report.is_clean(), "{report}");
}

pub(crate) fn publisher(resource: &Resource<RabbitMq>) -> Publisher {
    Publisher::new(resource, PublisherSettings::default())
}

pub(crate) fn no_properties() -> BasicProperties {
    BasicProperties::default()
}

/// Publishes the numbers of a range to the queue `bars`, all at once, each confirmed.
pub(crate) async fn publish_numbers(publisher: &Publisher, numbers: std::ops::Range<u32>) {
    let publish = |number: u32| async move {
        let payload = number.to_be_bytes();
        publisher.publish("", "bars", &payload, no_properties()).await.unwrap()
    };
    let _ = futures_util::future::join_all(numbers.map(publish)).await;
}

pub(crate) fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload.try_into().unwrap())
}

/// Messages that are ready in a queue, and its consumers.
pub(crate) async fn depth(lease: &Lease<RabbitMq>, queue: &str) -> (u32, u32) {
    let channel = lease.channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap();
    (found.message_count(), found.consumer_count())
}

/// No message is ready in the queue `bars`, and nobody consumes it.
pub(crate) async fn nothing_is_left(resource: &Resource<RabbitMq>) {
    assert_eq!(depth(&resource.acquire().await.unwrap(), "bars").await, (0, 0));
}

/// The driver's threads of this process.
pub(crate) fn io_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("lapin-io-loop")).count()
}

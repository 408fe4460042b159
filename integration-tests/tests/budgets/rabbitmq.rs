//! RabbitMQ.

use crate::count::cost;
use crate::{hold, quiet};
use integration_tests::RabbitMq;
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::lapin::options::QueueDeclareOptions;
use qa_pool::amqp::lapin::types::FieldTable;
use qa_pool::amqp::{Publisher, PublisherSettings};

const QUEUE: &str = "budget";

#[tokio::test]
async fn rabbitmq_costs_what_its_budget_says() {
    let proxied = quiet::<RabbitMq>("budgets").await;
    let (group, proxy) = (&proxied.rig.group, &proxied.proxy);
    let lease = group.acquire().await.unwrap();
    let channel = lease.publishing().create_channel().await.unwrap();
    let (own, none) = (QueueDeclareOptions::default(), FieldTable::default());
    channel.queue_declare(QUEUE.into(), own, none).await.unwrap();
    drop(lease);

    let publisher = Publisher::new(group, PublisherSettings::default());
    let ours = async || {
        drop(publisher.publish("", QUEUE, b"order", BasicProperties::default()).await.unwrap());
    };
    // All that it allocates, beside nothing: a bare publish allocates one less where the driver's thread has sent it
    // before it is awaited, and so does ours, so that the difference would hang on which of them had that luck.
    let ours = cost(proxy, ours, async || {}).await;
    hold("rabbitmq", &[("a confirmed publish", ours)]);
    proxied.rig.close().await;
}

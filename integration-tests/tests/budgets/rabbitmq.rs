//! RabbitMQ.

use crate::count::cost;
use crate::{hold, quiet};
use integration_tests::RabbitMq;
use qa_pool::amqp::lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use qa_pool::amqp::lapin::types::FieldTable;
use qa_pool::amqp::lapin::{BasicProperties, Channel};
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
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    drop(lease);

    let publisher = Publisher::new(group, PublisherSettings::default());
    let ours = async || {
        drop(publisher.publish("", QUEUE, b"order", BasicProperties::default()).await.unwrap());
    };
    let ours = cost(proxy, ours, async || publish(&channel).await).await;
    hold("rabbitmq", &[("a confirmed publish", ours)]);
    proxied.rig.close().await;
}

async fn publish(channel: &Channel) {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id("0123456789abcdef-1234".into());
    let sent = channel.basic_publish("".into(), QUEUE.into(), options, b"order", properties);
    assert!(sent.await.unwrap().await.unwrap().is_ack());
}

//! RabbitMQ in the suite.

use super::Subject;
use qa_pool::amqp::lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use qa_pool::amqp::lapin::types::FieldTable;
use qa_pool::amqp::lapin::{BasicProperties, Channel};
use qa_pool::core::async_trait;
use qa_pool::{Group, Lease, Result, amqp};
use qa_servers::{Server, System};

/// RabbitMQ in the suite. Tests share one broker, each in a virtual host of its own.
#[derive(Debug)]
pub enum RabbitMq {}

#[async_trait]
impl Subject for RabbitMq {
    type Backend = amqp::RabbitMq;
    const SYSTEM: System = System::RabbitMq;
    /// For publishing and for consuming.
    const CONNECTIONS: usize = 2;

    async fn url(server: &Server, name: &str) -> String {
        server.vhost(name).await.unwrap()
    }

    async fn ask(group: &Group<amqp::RabbitMq>, number: u64) -> Result<u64> {
        let ask = move |lease: Lease<amqp::RabbitMq>| async move {
            let channel = lease.channel().await?;
            let answer = through_a_queue(&channel, number).await?;
            channel.close(200, "OK".into()).await?;
            Ok(answer)
        };
        group.run(ask).await
    }

    async fn echo(group: &Group<amqp::RabbitMq>, number: u64) -> Result<u64> {
        let echo = move |lease: Lease<amqp::RabbitMq>| async move {
            let channel = lease.channel().await?;
            let answer = returned(&channel, number).await?;
            channel.close(200, "OK".into()).await?;
            Ok(answer)
        };
        group.run(echo).await
    }

    async fn version(server: &Server, _: &Group<amqp::RabbitMq>) -> String {
        let overview = server.manage("GET", "/api/overview", "").await.unwrap();
        let overview: serde_json::Value = serde_json::from_str(&overview).unwrap();
        overview["rabbitmq_version"].as_str().unwrap().to_owned()
    }
}

/// Publishes a number to nobody, and takes it out of the message that the broker returns.
async fn returned(channel: &Channel, number: u64) -> Result<u64, amqp::Error> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let (nobody, payload) = ("nobody".into(), number.to_be_bytes());
    let publish =
        channel.basic_publish("".into(), nobody, options, &payload, BasicProperties::default());
    let returned = publish.await?.await?.take_message();
    Ok(number_in(returned.map(|returned| returned.delivery.data)))
}

/// The number that is the payload of a message; zero where there is none.
fn number_in(payload: Option<Vec<u8>>) -> u64 {
    let payload = payload.and_then(|payload| payload.try_into().ok());
    payload.map(u64::from_be_bytes).unwrap_or_default()
}

/// Publishes a number to a queue of its own, waits for the confirm, and fetches it.
async fn through_a_queue(channel: &Channel, number: u64) -> Result<u64, amqp::Error> {
    let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let payload = number.to_be_bytes();
    let publish =
        channel.basic_publish("".into(), queue.name().clone(), options, &payload, properties);
    publish.await?.await?;
    let no_ack = BasicGetOptions { no_ack: true };
    let found = channel.basic_get(queue.name().clone(), no_ack).await?;
    Ok(number_in(found.map(|found| found.delivery.data)))
}

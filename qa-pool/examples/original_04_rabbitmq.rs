//! The original's example 4: a durable queue, a message of JSON, `basic_get`, `basic_ack`. The publish
//! waits for the broker's word, which the original did not have.
//!
//! `cargo run -p qa-pool --features amqp --example original_04_rabbitmq -- amqp://localhost`

use qa_pool::Settings;
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::lapin::options::{BasicAckOptions, BasicGetOptions};
use qa_pool::amqp::{Publisher, PublisherSettings, Queue, RabbitMq, Topology};
use qa_pool::core::{Resource, Target};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://localhost".to_owned());
    // Declared with every connect, so it comes back with the connection.
    let topology = Topology::new().queue(Queue::classic("test_queue"));
    let backend = RabbitMq::new(&Target::parse("amqp", &url)?)?.with_topology(topology);
    let rabbit = Resource::new("amqp", backend, Settings::default());

    let publisher = Publisher::new(&rabbit, PublisherSettings::default());
    let order = json!({ "code": "000001", "price": 10.5, "volume": 100 });
    let none = BasicProperties::default();
    let confirmed = publisher.publish_json("", "test_queue", &order, none).await?;
    println!("{} is confirmed", confirmed.message_id);

    let lease = rabbit.acquire().await?;
    let body = lease
        .with_channel(async |channel| {
            let got = channel.basic_get("test_queue".into(), BasicGetOptions::default()).await?;
            let Some(message) = got else { return Ok(None) };
            message.ack(BasicAckOptions::default()).await?;
            Ok(Some(message.delivery.data))
        })
        .await?;
    drop(lease);
    let order: Value = serde_json::from_slice(&body.ok_or("the queue is empty")?)?;
    println!("received and acknowledged: {order}");
    println!("{}", rabbit.close(Duration::from_secs(5)).await);
    Ok(())
}

//! A strategy that has nothing to say for three heartbeats, and then something: the connection is
//! still there, and its first message is confirmed.
//!
//! `cargo run -p qa-pool --features amqp --example idle_strategy -- amqp://localhost`

use qa_pool::Settings;
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{Publisher, PublisherSettings, Queue, RabbitMq, Topology};
use qa_pool::core::{Resource, Target};
use std::time::Duration;

/// Seconds; the shortest that is allowed.
const HEARTBEAT: u64 = 5;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "amqp://localhost".to_owned());
    let target = Target::parse("signals", &format!("{url}?heartbeat={HEARTBEAT}"))?;
    let signals = Topology::new().queue(Queue::new("signals"));
    let backend = RabbitMq::new(&target)?.with_topology(signals);
    // Nothing of ours keeps the connection busy.
    let settings = Settings { health_interval: Duration::from_secs(3600), ..Settings::default() };
    let resource = Resource::new("signals", backend, settings);
    resource.connect().await?;
    let publisher = Publisher::new(&resource, PublisherSettings::default());
    let publish =
        async || publisher.publish("", "signals", b"buy", BasicProperties::default()).await;
    println!("{} is confirmed", publish().await?.message_id);
    println!("nothing is said for {} s", 3 * HEARTBEAT);
    tokio::time::sleep(Duration::from_secs(3 * HEARTBEAT)).await;
    println!("{} is confirmed", publish().await?.message_id);
    println!("{} connections have been made", resource.status().generation);
    println!("{}", resource.close(Duration::from_secs(10)).await);
    Ok(())
}

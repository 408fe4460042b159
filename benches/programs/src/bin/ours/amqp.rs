//! RabbitMQ: a message is published, which the broker hands back, for want of a queue.

use crate::Outcome;
use qa_pool::ResourcePool;
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{Publisher, PublisherSettings};

pub(crate) async fn once(pool: &ResourcePool) -> Outcome {
    let publisher = Publisher::new(pool.amqp()?, PublisherSettings::default());
    let sent = publisher.publish("", "programs", b"order", BasicProperties::default()).await;
    println!("published: {sent:?}");
    Ok(())
}

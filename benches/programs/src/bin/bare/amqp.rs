//! RabbitMQ: a message is published, which the broker hands back, for want of a queue.

use crate::Outcome;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};

pub(crate) async fn once(url: String) -> Outcome {
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let message = BasicProperties::default();
    let sent = channel.basic_publish("".into(), "programs".into(), options, b"order", message);
    println!("published: {:?}", sent.await?.await?);
    connection.close(200, "done".into()).await?;
    Ok(())
}

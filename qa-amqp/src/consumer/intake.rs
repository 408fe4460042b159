//! One consumer on one channel.

use super::settings::ConsumerSettings;
use crate::client::ANSWER_LIMIT;
use crate::error::{bounded, name};
use crate::{Error, RabbitMq};
use futures_util::{StreamExt, poll};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::{Channel, Consumer};
use qa_resource_core::Lease;
use std::task::Poll;

const LOST: &str = "the connection was lost";

/// Why consuming ended.
pub(super) enum End {
    /// It was told to.
    Stopped,
    /// The connection, the channel or the queue went.
    Cut(String),
}

/// A channel of its own with one consumer, and the lease of its connection.
pub(super) struct Intake {
    // In this order: the consumer and the channel go before the lease.
    deliveries: Consumer,
    channel: Channel,
    lease: Lease<RabbitMq>,
}

impl Intake {
    /// Opens the channel, sets the prefetch, consumes.
    pub(super) async fn open(
        lease: Lease<RabbitMq>,
        settings: &ConsumerSettings,
    ) -> Result<Self, Error> {
        let opened = lease.while_consuming(Self::on_new_channel(&lease, settings)).await;
        if let Err(error) = &opened {
            lease.report(error);
        }
        let (channel, deliveries) = opened?;
        Ok(Self { deliveries, channel, lease })
    }

    async fn on_new_channel(
        lease: &Lease<RabbitMq>,
        settings: &ConsumerSettings,
    ) -> Result<(Channel, Consumer), Error> {
        let queue = name("queue's name", &lease.queue_name(&settings.queue))?;
        let channel = lease.channel().await?;
        let prefetch = channel.basic_qos(settings.bounded_prefetch(), BasicQosOptions::default());
        bounded("setting the prefetch", ANSWER_LIMIT, prefetch).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), settings.arguments.clone());
        let consume = channel.basic_consume(queue, "".into(), options, arguments);
        let consumed = bounded("consuming", ANSWER_LIMIT, consume).await;
        let deliveries = consumed.map_err(|error| match error {
            Error::Driver(source) => Error::Consume { queue: settings.queue.clone(), source },
            other => other,
        })?;
        Ok((channel, deliveries))
    }

    /// The next delivery, or why there is none: a cut, an error of the channel, or the broker's
    /// cancel, which comes without an error. Not to be called again after that.
    pub(super) async fn next(&mut self) -> Result<lapin::message::Delivery, String> {
        // Deliveries of a connection that was left can't be acknowledged any more.
        if self.lease.is_lost() {
            return Err(LOST.to_owned());
        }
        // What is there already takes no place among those that wait for a loss.
        let item = match poll!(self.deliveries.next()) {
            Poll::Ready(item) => item,
            Poll::Pending => tokio::select! {
                biased;
                () = self.lease.lost() => return Err(LOST.to_owned()),
                item = self.deliveries.next() => item,
            },
        };
        match item {
            Some(Ok(delivery)) => Ok(delivery),
            Some(Err(error)) => Err(error.to_string()),
            None => {
                Err("the broker cancelled the consumer: its queue was deleted or moved".to_owned())
            }
        }
    }

    pub(super) async fn lost(&self) -> String {
        self.lease.lost().await;
        LOST.to_owned()
    }

    /// Tells the broker to send nothing more. What it has sent is still to be had.
    pub(super) async fn cancel(&self) -> bool {
        let cancel =
            self.channel.basic_cancel(self.deliveries.tag(), BasicCancelOptions::default());
        bounded("cancelling a consumer", ANSWER_LIMIT, cancel).await.is_ok()
    }

    pub(super) async fn close(self) {
        let goodbye = self.channel.close(200, "OK".into());
        // A channel that can't hear it is gone, and the connection's close takes it along.
        let _ = bounded("closing a channel", ANSWER_LIMIT, goodbye).await;
    }
}

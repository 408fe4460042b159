//! Publishing with the broker's word for each message.

mod attachment;
mod in_flight;
mod line;
mod message;
mod news;
mod outcome;
mod returns;
mod sending;
mod session;
mod settings;
mod settle;
mod shared;
mod slots;
mod spares;
mod window;

pub use message::Publishing;
pub use outcome::{Confirmed, PublishError};
pub use settings::PublisherSettings;

use crate::{RabbitMq, spans};
use futures_util::{StreamExt, stream};
use lapin::BasicProperties;
use message::Message;
use qa_resource_core::{Attachment, Group};
use serde::Serialize;
use settings::LONGEST;
use shared::Shared;
use slots::Timing;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::Instant;
use tracing::{Instrument, Span};

/// Publishes messages, each of which ends as confirmed, returned, refused or unknown, within a
/// limit. Cheap to clone; clones share one window and one channel.
///
/// Many messages can be on their way at once: call [`publish`](Publisher::publish) from many tasks,
/// or join its futures. The window bounds what is unconfirmed, and makes publishers wait while it is
/// full. Messages arrive in the order in which the futures are first polled, for as long as the
/// channel lasts: a reconnect may change it.
///
/// The channel is opened with the first message, and anew when it or the connection was lost. A
/// closing resource waits until everything is settled.
#[derive(Clone)]
pub struct Publisher(Arc<Shared>);

impl Publisher {
    /// A publisher on a resource or a group. Does no I/O.
    pub fn new(group: impl Into<Group<RabbitMq>>, settings: PublisherSettings) -> Self {
        let group = group.into();
        let shared = Arc::new(Shared::new(group.clone(), settings));
        let attachment: Arc<dyn Attachment> = Arc::clone(&shared) as _;
        group.attach(&attachment);
        Self(shared)
    }

    /// Publishes a message and waits for the broker's word, for
    /// [`limit`](PublisherSettings::limit) at the most.
    ///
    /// `exchange` may be empty: the message goes to the queue named by `routing_key`. A message
    /// without an id gets one. Where the connection is down or the broker takes no messages, this
    /// waits for it within the limit.
    ///
    /// # Errors
    /// [`PublishError`] says what is known of the message.
    ///
    /// # Cancel safety
    /// A message that was handed over is published all the same, and its confirm awaited in the
    /// background; only the answer is lost.
    pub fn publish<'a>(
        &'a self,
        exchange: &str,
        routing_key: &str,
        payload: &[u8],
        properties: BasicProperties,
    ) -> impl Future<Output = Result<Confirmed, PublishError>> + Send + use<'a> {
        // Made before the future is, which is half as large without the properties.
        let message = self.message(exchange, routing_key, payload, properties);
        async move {
            let mut message = message?;
            let span = self.span(&mut message);
            let timing = Timing::within(self.0.settings.limit);
            let id = self.0.publish(message, timing).instrument(span).await?;
            Ok(Confirmed { message_id: id, attempts: 1 })
        }
    }

    /// Publishes a message until the broker has confirmed it, for `limit` at the most: what was
    /// refused, not sent or left unknown is sent again under the same id, also after a reconnect.
    ///
    /// The queue may then hold it more than once; consumers tell by its id.
    ///
    /// # Errors
    /// The last attempt's, once `limit` is over, or at once where another attempt can't help: it was
    /// returned, or its exchange does not exist. [`PublishError::Unknown`] where any attempt was.
    ///
    /// # Cancel safety
    /// As [`publish`](Publisher::publish), and nothing more is attempted.
    pub async fn publish_until_confirmed(
        &self,
        exchange: &str,
        routing_key: &str,
        payload: &[u8],
        properties: BasicProperties,
        limit: Duration,
    ) -> Result<Confirmed, PublishError> {
        let mut message = self.message(exchange, routing_key, payload, properties)?;
        let span = self.span(&mut message);
        let deadline = Instant::now() + LONGEST.min(limit);
        let (id, attempts) = self.0.publish_until(&message, deadline).instrument(span).await?;
        Ok(Confirmed { message_id: id, attempts })
    }

    /// Publishes many messages, as many at once as the window has room for, and gives how each ended,
    /// in their order. They arrive in that order, too, for as long as the channel lasts.
    ///
    /// ```no_run
    /// # async fn example(publisher: qa_amqp::Publisher) {
    /// use qa_amqp::Publishing;
    /// let orders = ["buy", "sell"].map(|order| Publishing::new("", "orders", order));
    /// let unsettled = publisher.publish_all(orders).await.into_iter().filter_map(Result::err);
    /// # drop(unsettled.count());
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// As [`publish`](Publisher::publish), for those that were handed over; the others are not
    /// published.
    pub async fn publish_all(
        &self,
        messages: impl IntoIterator<Item = Publishing>,
    ) -> Vec<Result<Confirmed, PublishError>> {
        let publish = |message: Publishing| async move {
            let Publishing { exchange, routing_key, payload, properties } = message;
            self.publish(&exchange, &routing_key, &payload, properties).await
        };
        let at_once = self.0.settings.window.max(1);
        stream::iter(messages).map(publish).buffered(at_once).collect().await
    }

    /// Publishes `value` as JSON, with the content type `application/json` unless the properties say
    /// otherwise. In all else as [`publish`](Publisher::publish).
    ///
    /// # Errors
    /// As [`publish`](Publisher::publish); [`PublishError::NotSent`] of the kind `Operation` where
    /// `value` can't be written as JSON.
    ///
    /// # Cancel safety
    /// As [`publish`](Publisher::publish).
    pub async fn publish_json<T: Serialize + Sync + ?Sized>(
        &self,
        exchange: &str,
        routing_key: &str,
        value: &T,
        properties: BasicProperties,
    ) -> Result<Confirmed, PublishError> {
        let payload = serde_json::to_vec(value).map_err(|error| self.0.not_json(&error))?;
        let properties = message::with_content_type(properties, "application/json");
        self.publish(exchange, routing_key, &payload, properties).await
    }

    /// Hands a message over and does not wait for the broker's word: for what is worth nothing a
    /// moment later. The window still bounds it, and what became of it is in the metrics alone.
    ///
    /// A publisher that is not [`mandatory`](PublisherSettings::mandatory), and of which nothing but
    /// this is ever asked, does not have the broker confirm anything: it spares the broker a message
    /// for each queue that takes one. What is on its way when a connection is lost is then counted as
    /// sent. The first message for which the broker's word is wanted waits until those before it are
    /// there, and from then on all are confirmed.
    ///
    /// # Errors
    /// [`PublishError::NotSent`] where it could not be handed over within
    /// [`limit`](PublisherSettings::limit).
    ///
    /// # Cancel safety
    /// A message that was handed over is published all the same.
    pub async fn publish_and_forget(
        &self,
        exchange: &str,
        routing_key: &str,
        payload: &[u8],
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
        let mut message = self.message(exchange, routing_key, payload, properties)?;
        let span = self.span(&mut message);
        let timing = Timing::within(self.0.settings.limit);
        unconstrained(self.0.hand_over(message, timing)).instrument(span).await.map(drop)
    }

    /// Messages that are on their way: sent, and not settled yet. One whose future is kept and not
    /// polled counts until somebody waits for room, even where the broker's word is there.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.0.outstanding()
    }

    /// The message as it is sent, but for the context of its span.
    fn message(
        &self,
        exchange: &str,
        routing_key: &str,
        payload: &[u8],
        properties: BasicProperties,
    ) -> Result<Box<Message>, PublishError> {
        let persistent = self.0.settings.persistent;
        let mut message = self.0.spares.take();
        match message.write(exchange, routing_key, payload, properties, persistent) {
            Ok(()) => Ok(message),
            Err(error) => Err(PublishError::NotSent(self.0.error("publishing", error))),
        }
    }

    /// The span around sending a message: a child of where this is called, which is where the publish
    /// is first polled.
    fn span(&self, message: &mut Message) -> Span {
        let Message { exchange, routing_key, properties, .. } = message;
        spans::publish(self.0.group.name(), (exchange.as_str(), routing_key.as_str()), properties)
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("name", &self.0.settings.name)
            .field("resource", &self.0.group.name())
            .field("outstanding", &self.outstanding())
            .finish_non_exhaustive()
    }
}

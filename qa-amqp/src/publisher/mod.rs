//! Publishing with the broker's word for each message.

mod attachment;
mod line;
mod message;
mod outcome;
mod returns;
mod session;
mod settings;
mod shared;

pub use outcome::{Confirmed, PublishError};
pub use settings::PublisherSettings;

use crate::RabbitMq;
use lapin::BasicProperties;
use message::Message;
use qa_resource_core::{Attachment, Group};
use shared::{LONGEST, Shared};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

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
    pub async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        payload: &[u8],
        properties: BasicProperties,
    ) -> Result<Confirmed, PublishError> {
        let message = self.message(exchange, routing_key, payload, properties)?;
        self.0.publish(&message, Instant::now() + self.0.settings.limit).await?;
        Ok(Confirmed { message_id: message.id.to_string(), attempts: 1 })
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
        let message = self.message(exchange, routing_key, payload, properties)?;
        let attempts = self.0.publish_until(&message, Instant::now() + LONGEST.min(limit)).await?;
        Ok(Confirmed { message_id: message.id.to_string(), attempts })
    }

    /// Messages that are on their way: sent, and not settled yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.0.outstanding()
    }

    fn message(
        &self,
        exchange: &str,
        routing_key: &str,
        payload: &[u8],
        properties: BasicProperties,
    ) -> Result<Arc<Message>, PublishError> {
        let persistent = self.0.settings.persistent;
        let message = Message::new(exchange, routing_key, payload, properties, persistent);
        message
            .map(Arc::new)
            .map_err(|error| PublishError::NotSent(self.0.error("publishing", error)))
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

//! What a handler is given.

use lapin::BasicProperties;

/// A message, owned. It is acknowledged when its handler succeeds; a handler can't do it itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The exchange that it was published to; empty for the default one.
    pub exchange: String,
    /// The key that it was published with.
    pub routing_key: String,
    /// Whether it may have been delivered before. A handler must bear that: RabbitMQ delivers at
    /// least once.
    pub redelivered: bool,
    /// Its properties and headers.
    pub properties: BasicProperties,
    /// Its content.
    pub payload: Vec<u8>,
}

impl Delivery {
    /// The message's id; the same for each copy of a message that was published more than once.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)
    }
}

impl From<lapin::message::Delivery> for Delivery {
    fn from(delivery: lapin::message::Delivery) -> Self {
        Self {
            exchange: delivery.exchange.into(),
            routing_key: delivery.routing_key.into(),
            redelivered: delivery.redelivered,
            properties: delivery.properties,
            payload: delivery.data,
        }
    }
}

//! A message that can be sent more than once.

use crate::Error;
use crate::error::name;
use lapin::BasicProperties;
use lapin::types::ShortString;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Persistent, in AMQP's `delivery_mode`.
const PERSISTENT: u8 = 2;

/// A message to publish, for [`Publisher::publish_all`](crate::Publisher::publish_all).
#[derive(Clone, Debug, PartialEq)]
pub struct Publishing {
    /// Where to; empty for the queue that `routing_key` names.
    pub exchange: String,
    /// What the exchange routes by.
    pub routing_key: String,
    /// The message itself.
    pub payload: Vec<u8>,
    /// What AMQP says about it. Default: nothing.
    pub properties: BasicProperties,
}

impl Publishing {
    /// A message without properties.
    pub fn new(
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
        payload: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            payload: payload.into(),
            properties: BasicProperties::default(),
        }
    }
}

/// The same properties with a content type, unless there is one.
pub(super) fn with_content_type(properties: BasicProperties, kind: &str) -> BasicProperties {
    if properties.content_type().is_some() {
        return properties;
    }
    properties.with_content_type(kind.into())
}

/// What is published, whole and owned, with its id.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) payload: Vec<u8>,
}

impl Message {
    /// Over what `self` was, in its memory.
    pub(super) fn write(
        &mut self,
        exchange: &str,
        routing_key: &str,
        payload: &[u8],
        mut properties: BasicProperties,
        persistent: bool,
    ) -> Result<(), Error> {
        if properties.message_id().is_none() {
            properties = properties.with_message_id(next_id());
        }
        if persistent && properties.delivery_mode().is_none() {
            properties = properties.with_delivery_mode(PERSISTENT);
        }
        self.exchange = name("exchange's name", exchange)?;
        self.routing_key = name("routing key", routing_key)?;
        self.properties = properties;
        self.payload.clear();
        self.payload.extend_from_slice(payload);
        Ok(())
    }

    /// What consumers, and the broker's returns, tell it from others by.
    pub(super) fn id(&self) -> &str {
        self.properties.message_id().as_ref().map_or("", ShortString::as_str)
    }
}

/// Unique by 64 random bits for the process and a count.
fn next_id() -> ShortString {
    static PROCESS: LazyLock<String> = LazyLock::new(|| format!("{:016x}-", fastrand::u64(..)));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut id = String::with_capacity(PROCESS.len() + 16);
    id.push_str(&PROCESS);
    push_hexadecimal(&mut id, COUNT.fetch_add(1, Ordering::Relaxed));
    id.into()
}

/// As `{:x}` has it, for a fraction of what a formatter takes: each message needs one.
fn push_hexadecimal(text: &mut String, number: u64) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let [low, ..] = (number >> (4 * digit)).to_le_bytes();
        text.push(char::from(b"0123456789abcdef"[usize::from(low & 0xf)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(properties: BasicProperties, persistent: bool) -> Message {
        let mut message = Message::default();
        message.write("x", "k", b"p", properties, persistent).unwrap();
        message
    }

    #[test]
    fn nothing_is_left_of_the_message_that_another_is_written_over() {
        let mut message = message(BasicProperties::default().with_priority(9), true);
        message.write("", "other", b"", BasicProperties::default(), false).unwrap();
        assert_eq!((message.exchange.as_str(), message.routing_key.as_str()), ("", "other"));
        assert!(message.payload.is_empty() && message.properties.priority().is_none());
        assert!(message.properties.delivery_mode().is_none());
    }

    #[test]
    fn an_id_is_made_where_there_is_none_and_kept_where_there_is_one() {
        let (one, two) =
            (message(BasicProperties::default(), true), message(BasicProperties::default(), true));
        assert_ne!(one.id(), two.id());
        assert!(!one.id().is_empty());
        let given = message(BasicProperties::default().with_message_id("mine".into()), true);
        assert_eq!(given.id(), "mine");
    }

    #[test]
    fn a_number_is_written_as_a_formatter_writes_it() {
        let powers = (0..u64::BITS).map(|bit| 1 << bit);
        for number in powers.flat_map(|power| [power - 1, power, power + 1]).chain([u64::MAX]) {
            let mut text = String::from("x-");
            push_hexadecimal(&mut text, number);
            assert_eq!(text, format!("x-{number:x}"));
        }
    }

    #[test]
    fn messages_are_persistent_unless_their_properties_or_the_publisher_say_otherwise() {
        let mode = |message: Message| *message.properties.delivery_mode();
        assert_eq!(mode(message(BasicProperties::default(), true)), Some(2));
        assert_eq!(mode(message(BasicProperties::default(), false)), None);
        let transient = BasicProperties::default().with_delivery_mode(1);
        assert_eq!(mode(message(transient, true)), Some(1));
    }

    #[test]
    fn names_that_amqp_has_no_room_for_are_errors_and_not_panics() {
        let long = "k".repeat(256);
        let write = |exchange: &str, routing_key: &str| {
            Message::default().write(exchange, routing_key, b"", BasicProperties::default(), true)
        };
        let error = write("x", &long).unwrap_err();
        assert_eq!(error.to_string(), "the routing key has 256 bytes and AMQP allows 255");
        assert!(write(&long, "k").is_err());
    }
}

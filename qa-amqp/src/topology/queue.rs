//! Queues as data.

use lapin::types::{AMQPValue, FieldTable};
use std::time::Duration;

/// A queue: where messages wait.
///
/// ```
/// use qa_amqp::{Overflow, Queue};
/// use std::time::Duration;
/// let orders = Queue::quorum("orders")
///     .dead_letter("orders.dead", None)
///     .max_length(1_000_000, Overflow::RejectPublish)
///     .single_active_consumer();
/// let ticks = Queue::new("ticks").transient().message_ttl(Duration::from_secs(5));
/// let mine = Queue::server_named("mine"); // bound and consumed as `mine`, whatever it is called
/// # assert!(orders.durable && !ticks.durable && mine.exclusive);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are AMQP's")]
pub struct Queue {
    /// Its name; of a server-named one, the name by which bindings and consumers here know it.
    pub name: String,
    /// Whether the broker gives it its name, a new one with each connect. Default: false.
    pub server_named: bool,
    /// Whether it survives a restart of the broker. Default: true.
    pub durable: bool,
    /// Whether it belongs to one connection and ends with it. Default: false.
    pub exclusive: bool,
    /// Whether it is deleted with its last consumer. Default: false.
    pub auto_delete: bool,
    /// Arguments such as `x-queue-type` or `x-dead-letter-exchange`. Default: none.
    pub arguments: FieldTable,
}

/// What a queue that is full does with one more message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Drops its oldest, or dead-letters it. The broker's default.
    DropHead,
    /// Refuses the new one, so that its publisher hears of it.
    RejectPublish,
    /// Refuses the new one and dead-letters it. Not for quorum queues.
    RejectPublishDeadLetter,
}

impl Overflow {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DropHead => "drop-head",
            Self::RejectPublish => "reject-publish",
            Self::RejectPublishDeadLetter => "reject-publish-dlx",
        }
    }
}

impl Queue {
    /// A durable queue of the broker's default type, which is classic unless its operator says
    /// otherwise.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            server_named: false,
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::default(),
        }
    }

    /// A classic queue, durable: on one node.
    pub fn classic(name: impl Into<String>) -> Self {
        Self::new(name).text("x-queue-type", "classic")
    }

    /// A quorum queue: on several nodes of a cluster, and confirmed once most of them have it.
    pub fn quorum(name: impl Into<String>) -> Self {
        Self::new(name).text("x-queue-type", "quorum")
    }

    /// A stream: a log that each consumer reads from where it wants.
    pub fn stream(name: impl Into<String>) -> Self {
        Self::new(name).text("x-queue-type", "stream")
    }

    /// A queue that belongs to its connection and is named by the broker, a new name with each
    /// connect. Bindings and consumers call it `alias`, and
    /// [`Client::queue_name`](crate::Client::queue_name) tells what it is called at present.
    pub fn server_named(alias: impl Into<String>) -> Self {
        Self { server_named: true, ..Self::new(alias).exclusive() }
    }

    /// The same, which ends with the broker and with its last consumer.
    #[must_use]
    pub fn transient(self) -> Self {
        Self { durable: false, auto_delete: true, ..self }
    }

    /// The same, which belongs to our connection and ends with it. Declared anew with each connect.
    #[must_use]
    pub fn exclusive(self) -> Self {
        Self { exclusive: true, durable: false, ..self }
    }

    /// The same; a message that has waited for so long is dropped or dead-lettered. In milliseconds
    /// at the broker.
    #[must_use]
    pub fn message_ttl(self, time: Duration) -> Self {
        self.millis("x-message-ttl", time)
    }

    /// The same; deleted once nobody has used it for so long.
    #[must_use]
    pub fn expires(self, time: Duration) -> Self {
        self.millis("x-expires", time)
    }

    /// The same, which holds so many messages at most.
    #[must_use]
    pub fn max_length(self, messages: u32, overflow: Overflow) -> Self {
        self.number("x-max-length", messages.into()).text("x-overflow", overflow.as_str())
    }

    /// The same, which holds so many bytes at most.
    #[must_use]
    pub fn max_bytes(self, bytes: u32, overflow: Overflow) -> Self {
        self.number("x-max-length-bytes", bytes.into()).text("x-overflow", overflow.as_str())
    }

    /// The same; what is rejected, expires or is one too many goes to `exchange`, with
    /// `routing_key` or, without one, with its own.
    #[must_use]
    pub fn dead_letter(self, exchange: &str, routing_key: Option<&str>) -> Self {
        let to = self.text("x-dead-letter-exchange", exchange);
        match routing_key {
            Some(key) => to.text("x-dead-letter-routing-key", key),
            None => to,
        }
    }

    /// The same; of its consumers one is served, and the next when that one is gone. Keeps the order
    /// over several processes.
    #[must_use]
    pub fn single_active_consumer(self) -> Self {
        self.argument("x-single-active-consumer", AMQPValue::Boolean(true))
    }

    /// The same; a message that was delivered so often without success is dropped or dead-lettered.
    /// For quorum queues.
    #[must_use]
    pub fn delivery_limit(self, times: u32) -> Self {
        self.number("x-delivery-limit", times.into())
    }

    /// The same, with an argument of the broker's or of a plugin.
    #[must_use]
    pub fn argument(mut self, key: &str, value: AMQPValue) -> Self {
        self.arguments.insert(key.into(), value);
        self
    }

    /// The one argument that says of which type it is, where there is one.
    pub(super) fn kind(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        if let Some(kind) = self.arguments.inner().get("x-queue-type") {
            arguments.insert("x-queue-type".into(), kind.clone());
        }
        arguments
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.argument(key, AMQPValue::LongString(value.into()))
    }

    fn number(self, key: &str, value: i64) -> Self {
        self.argument(key, AMQPValue::LongLongInt(value))
    }

    fn millis(self, key: &str, time: Duration) -> Self {
        self.number(key, i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_in_the_arguments() {
        let queue = Queue::quorum("q")
            .message_ttl(Duration::from_millis(1500))
            .expires(Duration::from_secs(60))
            .max_length(10, Overflow::RejectPublish)
            .dead_letter("dead", Some("key"))
            .delivery_limit(3)
            .single_active_consumer();
        let argument = |key: &str| queue.arguments.inner().get(key).cloned();
        let text = |text: &str| Some(AMQPValue::LongString(text.into()));
        let number = |number| Some(AMQPValue::LongLongInt(number));
        assert_eq!(argument("x-queue-type"), text("quorum"));
        assert_eq!(argument("x-message-ttl"), number(1500));
        assert_eq!(argument("x-expires"), number(60_000));
        assert_eq!(argument("x-max-length"), number(10));
        assert_eq!(argument("x-overflow"), text("reject-publish"));
        assert_eq!(argument("x-dead-letter-exchange"), text("dead"));
        assert_eq!(argument("x-dead-letter-routing-key"), text("key"));
        assert_eq!(argument("x-delivery-limit"), number(3));
        assert_eq!(argument("x-single-active-consumer"), Some(AMQPValue::Boolean(true)));
        assert_eq!(queue.arguments.inner().len(), 9);
    }

    #[test]
    fn a_server_named_queue_ends_with_its_connection() {
        let queue = Queue::server_named("mine");
        assert!(queue.server_named && queue.exclusive && !queue.auto_delete && !queue.durable);
        assert!(!Queue::new("q").exclusive().durable);
    }
}

//! Exchanges, queues and bindings as data.

use lapin::ExchangeKind;
use lapin::types::FieldTable;

/// What must be there before anything is published or consumed. Declared with every connect, in
/// this order: exchanges, queues, bindings.
///
/// Everything is durable unless said otherwise. Declaring what is there already, with the same
/// properties, changes nothing.
///
/// ```
/// use qa_amqp::{Binding, Exchange, Queue, Topology};
/// let topology = Topology::new()
///     .exchange(Exchange::topic("market"))
///     .queue(Queue::new("bars"))
///     .bind(Binding::queue("bars", "market", "bar.#"));
/// assert_eq!(topology.queues.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    /// Exchanges, declared first.
    pub exchanges: Vec<Exchange>,
    /// Queues, declared next.
    pub queues: Vec<Queue>,
    /// Bindings, made last.
    pub bindings: Vec<Binding>,
}

impl Topology {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same and an exchange. One of the same name is replaced.
    #[must_use]
    pub fn exchange(mut self, exchange: Exchange) -> Self {
        self.exchanges.retain(|known| known.name != exchange.name);
        self.exchanges.push(exchange);
        self
    }

    /// The same and a queue. One of the same name is replaced.
    #[must_use]
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queues.retain(|known| known.name != queue.name);
        self.queues.push(queue);
        self
    }

    /// The same and a binding, unless it is there.
    #[must_use]
    pub fn bind(mut self, binding: Binding) -> Self {
        if !self.bindings.contains(&binding) {
            self.bindings.push(binding);
        }
        self
    }

    /// The same and everything of `other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let with = other.exchanges.into_iter().fold(self, Self::exchange);
        let with = other.queues.into_iter().fold(with, Self::queue);
        other.bindings.into_iter().fold(with, Self::bind)
    }
}

/// An exchange: where messages are published to.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// How it routes.
    pub kind: ExchangeKind,
    /// Whether it survives a restart of the broker. Default: true.
    pub durable: bool,
    /// Whether it is deleted with its last binding. Default: false.
    pub auto_delete: bool,
    /// Whether only other exchanges may publish to it. Default: false.
    pub internal: bool,
    /// Arguments such as `alternate-exchange`. Default: none.
    pub arguments: FieldTable,
}

impl Exchange {
    /// A durable exchange.
    pub fn new(name: impl Into<String>, kind: ExchangeKind) -> Self {
        Self {
            name: name.into(),
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::default(),
        }
    }

    /// A durable exchange that routes by equal keys.
    pub fn direct(name: impl Into<String>) -> Self {
        Self::new(name, ExchangeKind::Direct)
    }

    /// A durable exchange that routes to everything that is bound.
    pub fn fanout(name: impl Into<String>) -> Self {
        Self::new(name, ExchangeKind::Fanout)
    }

    /// A durable exchange that routes by patterns (`bar.*.day`, `bar.#`).
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(name, ExchangeKind::Topic)
    }

    /// A durable exchange that routes by headers.
    pub fn headers(name: impl Into<String>) -> Self {
        Self::new(name, ExchangeKind::Headers)
    }
}

/// A queue: where messages wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Whether it survives a restart of the broker. Default: true.
    pub durable: bool,
    /// Whether it belongs to one connection and ends with it. Default: false.
    pub exclusive: bool,
    /// Whether it is deleted with its last consumer. Default: false.
    pub auto_delete: bool,
    /// Arguments such as `x-queue-type` or `x-dead-letter-exchange`. Default: none.
    pub arguments: FieldTable,
}

impl Queue {
    /// A durable queue.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::default(),
        }
    }
}

/// A binding: what an exchange routes on, and where to.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The exchange that routes.
    pub exchange: String,
    /// Where to.
    pub to: Destination,
    /// The key or the pattern; empty for a fanout exchange.
    pub routing_key: String,
    /// Arguments, for a headers exchange. Default: none.
    pub arguments: FieldTable,
}

/// What a binding leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A queue of this name.
    Queue(String),
    /// Another exchange of this name.
    Exchange(String),
}

impl Binding {
    /// From `exchange` to `queue`.
    pub fn queue(
        queue: impl Into<String>,
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
    ) -> Self {
        Self::new(Destination::Queue(queue.into()), exchange.into(), routing_key.into())
    }

    /// From `exchange` to the exchange `to`.
    pub fn exchange(
        to: impl Into<String>,
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
    ) -> Self {
        Self::new(Destination::Exchange(to.into()), exchange.into(), routing_key.into())
    }

    fn new(to: Destination, exchange: String, routing_key: String) -> Self {
        Self { exchange, to, routing_key, arguments: FieldTable::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_is_there_once_and_the_later_one_counts() {
        let first = Topology::new().queue(Queue::new("q")).bind(Binding::queue("q", "x", "k"));
        let later = Topology::new()
            .exchange(Exchange::fanout("x"))
            .queue(Queue { durable: false, ..Queue::new("q") })
            .bind(Binding::queue("q", "x", "k"))
            .bind(Binding::queue("q", "x", "other"));
        let both = first.and(later);
        assert_eq!(both.queues, [Queue { durable: false, ..Queue::new("q") }]);
        assert_eq!((both.exchanges.len(), both.bindings.len()), (1, 2));
    }

    #[test]
    fn everything_is_durable_unless_said_otherwise() {
        let exchange = Exchange::direct("x");
        assert!(exchange.durable && !exchange.auto_delete && !exchange.internal);
        let queue = Queue::new("q");
        assert!(queue.durable && !queue.exclusive && !queue.auto_delete);
    }
}

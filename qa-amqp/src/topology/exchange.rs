//! Exchanges as data.

use lapin::ExchangeKind;
use lapin::types::{AMQPValue, FieldTable};

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

    /// The same, with an argument of the broker's or of a plugin.
    #[must_use]
    pub fn argument(mut self, key: &str, value: AMQPValue) -> Self {
        self.arguments.insert(key.into(), value);
        self
    }

    /// The same; what nothing is bound to here goes to the exchange `other` instead of back to its
    /// publisher.
    #[must_use]
    pub fn alternate(self, other: &str) -> Self {
        self.argument("alternate-exchange", AMQPValue::LongString(other.into()))
    }

    /// The same, which ends with the broker and with its last binding.
    #[must_use]
    pub fn transient(self) -> Self {
        Self { durable: false, auto_delete: true, ..self }
    }
}

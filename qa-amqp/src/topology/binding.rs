//! Bindings as data.

use lapin::types::{AMQPValue, FieldTable};
use std::hash::{Hash, Hasher};

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A queue of this name.
    Queue(String),
    /// Another exchange of this name.
    Exchange(String),
}

/// Only an argument that is no number (NaN) is unlike itself: such a binding is declared once for each time
/// that it is said, which changes nothing on the broker.
impl Eq for Binding {}

impl Hash for Binding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Few differ in nothing but their arguments, which have no hash.
        (&self.exchange, &self.to, &self.routing_key).hash(state);
    }
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

    /// The same, with an argument: for a headers exchange, a header that must be there.
    #[must_use]
    pub fn argument(mut self, key: &str, value: AMQPValue) -> Self {
        self.arguments.insert(key.into(), value);
        self
    }

    /// Whether it leads from or to this exchange.
    pub(crate) fn touches_exchange(&self, name: &str) -> bool {
        self.exchange == name || matches!(&self.to, Destination::Exchange(to) if to == name)
    }

    /// Whether it leads to this queue.
    pub(crate) fn leads_to_queue(&self, name: &str) -> bool {
        matches!(&self.to, Destination::Queue(to) if to == name)
    }
}

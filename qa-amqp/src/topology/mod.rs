//! Exchanges, queues and bindings as data.

mod binding;
mod exchange;
mod known;
mod queue;

pub use binding::{Binding, Destination};
pub use exchange::Exchange;
pub(crate) use known::Known;
pub use queue::{Overflow, Queue};

use std::time::Duration;

/// Where the rejected messages of a queue wait.
pub(crate) fn retry_queue(queue: &str) -> String {
    format!("{queue}.retry")
}

/// Where the messages of a queue go that have failed for good.
pub(crate) fn dead_queue(queue: &str) -> String {
    format!("{queue}.dead")
}

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

    /// The same, and `queue` with what [`OnError::Retry`](crate::OnError::Retry) needs: what its
    /// consumer rejects waits for `pause` in the queue `<queue>.retry` and comes back; what has failed
    /// for good goes to the queue `<queue>.dead`, where somebody may look at it. All three are of the
    /// queue's type and durability. A dead-letter exchange that `queue` has is replaced.
    ///
    /// The broker itself moves the messages, without a moment in which one is nowhere, if the queue
    /// is a [quorum queue](Queue::quorum) with `x-dead-letter-strategy` `at-least-once`; a classic
    /// queue moves them at most once, which matters where a node fails at that moment. See [the
    /// broker's documentation](https://www.rabbitmq.com/docs/dlx#safety).
    #[must_use]
    pub fn retried(self, queue: Queue, pause: Duration) -> Self {
        let name = queue.name.clone();
        let alike = |name: String| Queue { name, arguments: queue.kind(), ..queue.clone() };
        let retry = alike(retry_queue(&name)).message_ttl(pause).dead_letter("", Some(&name));
        let dead = alike(dead_queue(&name));
        let queue = queue.dead_letter("", Some(&retry.name));
        self.queue(retry).queue(dead).queue(queue)
    }

    /// The same and everything of `other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let with = other.exchanges.into_iter().fold(self, Self::exchange);
        let with = other.queues.into_iter().fold(with, Self::queue);
        other.bindings.into_iter().fold(with, Self::bind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::types::AMQPValue;

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

    #[test]
    fn a_queue_that_is_retried_has_two_more_of_its_kind() {
        let topology = Topology::new().retried(Queue::quorum("q"), Duration::from_secs(3));
        let names: Vec<_> = topology.queues.iter().map(|queue| &*queue.name).collect();
        assert_eq!(names, ["q.retry", "q.dead", "q"]);
        let argument =
            |nth: usize, key: &str| topology.queues[nth].arguments.inner().get(key).cloned();
        let text = |text: &str| Some(AMQPValue::LongString(text.into()));
        assert!((0..3).all(|nth| argument(nth, "x-queue-type") == text("quorum")));
        assert_eq!(argument(0, "x-message-ttl"), Some(AMQPValue::LongLongInt(3000)));
        assert_eq!(argument(0, "x-dead-letter-routing-key"), text("q"));
        assert_eq!(argument(2, "x-dead-letter-routing-key"), text("q.retry"));
        assert_eq!(argument(1, "x-dead-letter-exchange"), None);
    }
}

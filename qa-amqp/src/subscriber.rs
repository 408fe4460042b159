//! Publish and subscribe: a queue of one's own, bound to an exchange by keys that may change.

use crate::{
    Binding, Consumer, ConsumerSettings, ConsumerStats, Delivery, Exchange, Failed, Queue,
    RabbitMq, Topology,
};
use qa_resource_core::{Group, Result, Undrained};
use std::fmt;

/// Receives what is published to an exchange, by an
/// [`ExchangePublisher`](crate::ExchangePublisher) or anybody else, under the keys that it is bound
/// by, each message once for each subscriber. Keys can be added and taken away while it runs; all of
/// them are there again after every reconnect.
///
/// ```no_run
/// # async fn example(group: qa_resource_core::Group<qa_amqp::RabbitMq>)
/// # -> qa_resource_core::Result<()> {
/// use qa_amqp::{Delivery, Exchange, Subscriber};
/// let print = |tick: Delivery| async move {
///     println!("{}: {} bytes", tick.routing_key, tick.payload.len());
///     Ok::<_, std::io::Error>(())
/// };
/// let ticks = Subscriber::start(&group, Exchange::direct("ticks"), ["cu2512"], print).await?;
/// ticks.bind("rb2601").await?;
/// ticks.unbind("cu2512").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a subscriber stops when it is dropped"]
pub struct Subscriber {
    group: Group<RabbitMq>,
    exchange: String,
    queue: String,
    consumer: Consumer,
}

impl Subscriber {
    /// Subscribes with a queue that the broker names and that ends with the connection: what is
    /// published while there is none is not received. Messages are handled one after the other, in the
    /// order in which they came, so that no older price comes after a newer one; but for one whose handler
    /// failed, which is delivered again. Up to sixteen that were handled are
    /// [acknowledged together](ConsumerSettings::acknowledge_together).
    ///
    /// A fanout exchange takes every key for the same; give it one, which may be empty. A topic
    /// exchange takes patterns (`bar.*.day`, `bar.#`).
    ///
    /// # Errors
    /// Those of [`Resource::run`](qa_resource_core::Resource::run), with
    /// [`Error::Declare`](crate::Error::Declare) as their source where the exchange is another than
    /// it is declared as.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// Its queue may be declared; it ends with the connection, and is declared with the next.
    pub async fn start<H, F, E>(
        group: impl Into<Group<RabbitMq>>,
        exchange: Exchange,
        keys: impl IntoIterator<Item = impl Into<String>>,
        handler: H,
    ) -> Result<Self>
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = std::result::Result<(), E>> + Send + 'static,
        E: Into<Failed>,
    {
        let queue = Queue::server_named(format!("subscriber-{:016x}", fastrand::u64(..)));
        // Its queue ends with its connection: for want of an acknowledgement nothing is delivered again.
        let settings = ConsumerSettings {
            concurrency: 1,
            acknowledge_together: 16,
            ..ConsumerSettings::new(&*queue.name)
        };
        Self::with_queue(group, exchange, queue, keys, settings, handler).await
    }

    /// Subscribes with a queue of which the name and the properties are given: a durable one keeps
    /// what is published while nobody is there, and several subscribers with one queue share its
    /// messages out. `settings` are of that queue's consumer; their queue is replaced.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    /// The exchange, the queue and its bindings may be declared.
    pub async fn with_queue<H, F, E>(
        group: impl Into<Group<RabbitMq>>,
        exchange: Exchange,
        queue: Queue,
        keys: impl IntoIterator<Item = impl Into<String>>,
        mut settings: ConsumerSettings,
        handler: H,
    ) -> Result<Self>
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = std::result::Result<(), E>> + Send + 'static,
        E: Into<Failed>,
    {
        let group = group.into();
        let (from, to) = (exchange.name.clone(), queue.name.clone());
        settings.queue.clone_from(&to);
        let mut topology = Topology::new().exchange(exchange).queue(queue);
        topology.bindings.extend(keys.into_iter().map(|key| Binding::queue(&*to, &*from, key)));
        group.run_idempotent(async |lease| lease.declare(topology.clone()).await).await?;
        let consumer = Consumer::start(&group, settings, handler);
        Ok(Self { group, exchange: from, queue: to, consumer })
    }

    /// Receives what is published under `key`, too.
    ///
    /// # Errors
    /// Those of [`Resource::run`](qa_resource_core::Resource::run).
    ///
    /// # Cancel safety
    /// It may be bound on the present connection, and is then not on the next.
    pub async fn bind(&self, key: &str) -> Result<()> {
        let topology = Topology::new().bind(self.binding(key));
        self.group.run_idempotent(async |lease| lease.declare(topology.clone()).await).await
    }

    /// Receives no more of what is published under `key`.
    ///
    /// # Errors
    /// Those of [`Resource::run`](qa_resource_core::Resource::run).
    ///
    /// # Cancel safety
    /// It may be unbound on the present connection, and is then bound on the next.
    pub async fn unbind(&self, key: &str) -> Result<()> {
        let binding = self.binding(key);
        self.group.run_idempotent(async |lease| lease.unbind(&binding).await).await
    }

    fn binding(&self, key: &str) -> Binding {
        Binding::queue(&*self.queue, &*self.exchange, key)
    }

    /// Waits until the broker has it as a consumer. For ever where that never happens: bound it.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn consuming(&self) {
        self.consumer.consuming().await;
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> ConsumerStats {
        self.consumer.stats()
    }

    /// Stops it, as [`Consumer::stop`] does. A durable queue stays, and fills.
    ///
    /// # Errors
    /// As [`Consumer::stop`].
    ///
    /// # Cancel safety
    /// As [`Consumer::stop`].
    pub async fn stop(&self) -> std::result::Result<(), Undrained> {
        self.consumer.stop().await
    }

    /// Stops it, deletes its queue with what is in it, and forgets its bindings.
    ///
    /// # Errors
    /// Those of [`Resource::run`](qa_resource_core::Resource::run), where the queue could not be
    /// deleted.
    ///
    /// # Cancel safety
    /// It stops all the same; the queue may stay.
    pub async fn unsubscribe(self) -> Result<()> {
        // What is left of it goes with its queue.
        let _ = self.consumer.stop().await;
        let queue = &self.queue;
        self.group.run_idempotent(async |lease| lease.delete_queue(queue).await).await.map(drop)
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("exchange", &self.exchange)
            .field("queue", &self.queue)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

//! What is to be on the broker: remembered over connections, and changed on the present one.

use crate::declare;
use crate::error::OPENING;
use crate::topology::Known;
use crate::{Binding, Client, Error, Topology};
use lapin::Channel;
use lapin::types::ShortString;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Limit for declaring a topology, which is one question for each part.
const DECLARE_LIMIT: Duration = Duration::from_secs(30);

/// What every connect declares. Locked for as long as it is being made true on a broker: what is
/// declared while a connection is lost is on the next one, or the caller hears that it is not.
pub(crate) type Remembered = Arc<tokio::sync::Mutex<Known>>;

/// The queues that this connection's broker has named, by the names that they have here.
pub(crate) type Names = HashMap<String, ShortString>;

/// The entities of one client.
#[derive(Debug)]
pub(crate) struct Entities {
    remembered: Remembered,
    names: Mutex<Names>,
}

impl Entities {
    pub(crate) fn new(remembered: Remembered) -> Self {
        Self { remembered, names: Mutex::default() }
    }

    pub(crate) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the broker calls a queue.
    pub(crate) fn broker_name(&self, queue: &str) -> String {
        self.names().get(queue).map_or_else(|| queue.to_owned(), ToString::to_string)
    }
}

impl Client {
    /// Declares `topology` now, and remembers it: it is declared again with every connect. Limit:
    /// 30 s.
    ///
    /// # Errors
    /// [`Error::Declare`] names the part that was refused; nothing is remembered then, and the
    /// parts before it stay declared. [`Error::Driver`] where the connection is lost,
    /// [`Error::TimedOut`].
    ///
    /// # Cancel safety
    /// Some of it may be declared; nothing is remembered.
    pub async fn declare(&self, topology: Topology) -> Result<(), Error> {
        if topology == Topology::default() {
            return Ok(());
        }
        let mut known = self.entities().remembered.lock().await;
        let (all, limit) = (&topology, DECLARE_LIMIT);
        let work =
            async |channel: &Channel| declare::declare(channel, all, self.entities(), limit).await;
        self.limited("declaring the topology", self.with_channel(work)).await?;
        known.add(topology);
        Ok(())
    }

    /// Takes a binding away and forgets it. One that is not there is no error. Limit: 30 s.
    ///
    /// # Errors
    /// As [`declare`](Self::declare); it is then remembered as before.
    ///
    /// # Cancel safety
    /// It may be gone from the broker, and is back with the next connect.
    pub async fn unbind(&self, binding: &Binding) -> Result<(), Error> {
        let mut known = self.entities().remembered.lock().await;
        let work =
            async |channel: &Channel| declare::unbind(channel, binding, self.entities()).await;
        self.limited("unbinding", self.with_channel(work)).await?;
        known.forget_binding(binding);
        Ok(())
    }

    /// Deletes a queue with everything in it, and forgets it and the bindings that lead to it: it
    /// stays deleted. Gives how many messages went with it. One that is not there is no error.
    /// Limit: 30 s.
    ///
    /// # Errors
    /// As [`declare`](Self::declare); it is then remembered as before.
    ///
    /// # Cancel safety
    /// It may be gone from the broker, and is back with the next connect.
    pub async fn delete_queue(&self, queue: &str) -> Result<u32, Error> {
        let mut known = self.entities().remembered.lock().await;
        let work =
            async |channel: &Channel| declare::delete_queue(channel, queue, self.entities()).await;
        let messages = self.limited("deleting a queue", self.with_channel(work)).await?;
        known.forget_queue(queue);
        self.entities().names().remove(queue);
        Ok(messages)
    }

    /// Deletes an exchange, and forgets it and the bindings from it and to it: it stays deleted. One
    /// that is not there is no error. Limit: 30 s.
    ///
    /// # Errors
    /// As [`declare`](Self::declare); it is then remembered as before.
    ///
    /// # Cancel safety
    /// It may be gone from the broker, and is back with the next connect.
    pub async fn delete_exchange(&self, exchange: &str) -> Result<(), Error> {
        let mut known = self.entities().remembered.lock().await;
        let work = async |channel: &Channel| declare::delete_exchange(channel, exchange).await;
        self.limited("deleting an exchange", self.with_channel(work)).await?;
        known.forget_exchange(exchange);
        Ok(())
    }

    /// What the broker calls a queue: the name that it has given to a
    /// [server-named](crate::Queue::server_named) one on this connection, and `queue` itself
    /// otherwise.
    #[must_use]
    pub fn queue_name(&self, queue: &str) -> String {
        self.entities().broker_name(queue)
    }

    /// How many messages wait in a queue. Limit: 30 s.
    ///
    /// # Errors
    /// [`Error::Declare`] where there is no such queue (404) or it is another connection's (405).
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn messages(&self, queue: &str) -> Result<u32, Error> {
        Ok(self.look_at(queue).await?.message_count())
    }

    /// How many consumers a queue has, over all connections. In all else as
    /// [`messages`](Self::messages).
    ///
    /// # Errors
    /// As [`messages`](Self::messages).
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn consumers(&self, queue: &str) -> Result<u32, Error> {
        Ok(self.look_at(queue).await?.consumer_count())
    }

    async fn look_at(&self, queue: &str) -> Result<lapin::Queue, Error> {
        let work =
            async |channel: &Channel| declare::look_at(channel, queue, self.entities()).await;
        self.limited("looking at a queue", self.with_channel(work)).await
    }

    /// Declares everything that is remembered, for as long as the broker is not silent for `silence`.
    pub(crate) async fn restore(&self, silence: Duration) -> Result<(), Error> {
        let known = self.entities().remembered.lock().await;
        let topology = known.all();
        if topology == Topology::default() {
            return Ok(());
        }
        self.while_consuming(async {
            let channel = timeout(silence, self.channel())
                .await
                .unwrap_or(Err(Error::TimedOut { doing: OPENING, limit: silence }))?;
            declare::declare(&channel, &topology, self.entities(), silence).await?;
            self.channels().give_back(channel);
            Ok(())
        })
        .await
    }

    async fn limited<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match timeout(DECLARE_LIMIT, self.while_consuming(work)).await {
            Ok(done) => done,
            Err(_) => Err(Error::TimedOut { doing, limit: DECLARE_LIMIT }),
        }
    }
}

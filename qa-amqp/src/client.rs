//! What a lease gives: two connections of the driver's own.

use crate::declare::declare;
use crate::error::{bounded, open};
use crate::link::Link;
use crate::{Error, Topology};
use lapin::{Channel, Connection};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Limit for one question to the broker (open a channel, set its prefetch, consume).
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Limit for declaring a topology, which is one question for each part.
const DECLARE_LIMIT: Duration = Duration::from_secs(30);

/// A RabbitMQ client: the driver's connection for publishing and its connection for consuming.
/// Cheap to clone.
///
/// There are two because a broker that is short of memory or disk stops reading from connections
/// that publish, and with them everything else on them: acknowledgements, and even a goodbye.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    publishing: Link,
    consuming: Link,
    topology: Arc<Mutex<Topology>>,
}

impl Client {
    pub(crate) fn new(publishing: Link, consuming: Link, topology: Arc<Mutex<Topology>>) -> Self {
        Self(Arc::new(Inner { publishing, consuming, topology }))
    }

    /// The connection for publishing.
    ///
    /// A channel is opened on it with `create_channel`, and belongs to this connection: it does not
    /// come back after a reconnect as a [`Publisher`](crate::Publisher) does.
    #[must_use]
    pub fn publishing(&self) -> &Connection {
        self.0.publishing.connection()
    }

    /// The connection for everything else: consuming, declaring, asking.
    #[must_use]
    pub fn consuming(&self) -> &Connection {
        self.0.consuming.connection()
    }

    /// Opens a channel on the connection for everything but publishing. Limit: 5 s.
    ///
    /// # Errors
    /// [`Error::Open`], or [`Error::TimedOut`].
    ///
    /// # Cancel safety
    /// A channel that opens too late is closed.
    pub async fn channel(&self) -> Result<Channel, Error> {
        open(self.consuming(), ANSWER_LIMIT).await
    }

    /// Declares `topology` now, and remembers it: it is declared again with every connect. Limit:
    /// 30 s.
    ///
    /// # Errors
    /// [`Error::Declare`] names the part that was refused; nothing is remembered then, and the
    /// parts before it stay declared.
    ///
    /// # Cancel safety
    /// Some of it may be declared; nothing is remembered.
    pub async fn declare(&self, topology: Topology) -> Result<(), Error> {
        self.apply(&topology).await?;
        let mut known = self.0.topology.lock().unwrap_or_else(PoisonError::into_inner);
        *known = std::mem::take(&mut *known).and(topology);
        Ok(())
    }

    /// Why the broker takes no messages at the moment (an alarm of memory or disk), or `None` where
    /// it takes them.
    ///
    /// The broker tells with the first message that is published under the alarm; until then this
    /// is `None`.
    #[must_use]
    pub fn blocked(&self) -> Option<Arc<str>> {
        self.0.publishing.blocked().or_else(|| self.0.consuming.blocked())
    }

    /// Waits until the broker takes messages; resolves at once where it does.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn unblocked(&self) {
        self.0.publishing.until_blocked(false).await;
    }

    /// Declares everything that is remembered.
    pub(crate) async fn restore(&self) -> Result<(), Error> {
        let known = self.0.topology.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.apply(&known).await
    }

    /// On a channel of its own, which a refusal closes.
    async fn apply(&self, topology: &Topology) -> Result<(), Error> {
        if *topology == Topology::default() {
            return Ok(());
        }
        let channel = self.channel().await?;
        let doing = "declaring the topology";
        match tokio::time::timeout(DECLARE_LIMIT, declare(&channel, topology)).await {
            Ok(declared) => declared?,
            Err(_) => return Err(Error::TimedOut { doing, limit: DECLARE_LIMIT }),
        }
        bounded(doing, ANSWER_LIMIT, channel.close(200, "OK".into())).await
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        let (publishing, consuming) =
            tokio::join!(self.0.publishing.ping(), self.0.consuming.ping());
        publishing.and(consuming)
    }

    pub(crate) async fn close(&self) -> Result<(), Error> {
        let (publishing, consuming) =
            tokio::join!(self.0.publishing.close(), self.0.consuming.close());
        publishing.and(consuming)
    }

    pub(crate) async fn lost(&self) -> Error {
        tokio::select! {
            error = self.0.publishing.lost() => Error::Driver(error),
            error = self.0.consuming.lost() => Error::Driver(error),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connected = |link: &Link| link.connection().status().connected();
        f.debug_struct("Client")
            .field("publishing", &connected(&self.0.publishing))
            .field("consuming", &connected(&self.0.consuming))
            .finish_non_exhaustive()
    }
}

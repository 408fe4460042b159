//! What a lease gives: two connections of the driver's own.

use crate::Error;
use crate::channels::Channels;
use crate::entities::Entities;
use crate::error::bounded;
use crate::link::Link;
use lapin::{Channel, Connection};
use qa_resource_core::Secret;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Limit for one question to the broker (open a channel, set its prefetch, consume).
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);

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
    channels: Channels,
    entities: Entities,
}

impl Client {
    pub(crate) fn new(publishing: Link, consuming: Link, entities: Entities) -> Self {
        let channels = Channels::default();
        Self(Arc::new(Inner { publishing, consuming, channels, entities }))
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

    /// Opens a channel on the connection for everything but publishing, for its own use; for short
    /// questions there is [`with_channel`](Self::with_channel). Limit: 5 s.
    ///
    /// # Errors
    /// [`Error::Open`], as soon as the connection is lost too, or [`Error::TimedOut`].
    ///
    /// # Cancel safety
    /// A channel that opens too late is closed.
    pub async fn channel(&self) -> Result<Channel, Error> {
        self.0.consuming.open().await
    }

    /// As [`channel`](Self::channel), on the connection for publishing.
    pub(crate) async fn publishing_channel(&self) -> Result<Channel, Error> {
        self.0.publishing.open().await
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

    /// Whether [`blocked`](Client::blocked) gives something.
    pub(crate) fn is_blocked(&self) -> bool {
        self.0.publishing.is_blocked() || self.0.consuming.is_blocked()
    }

    /// Waits until the broker takes messages; resolves at once where it does.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn unblocked(&self) {
        self.until_blocked(false).await;
    }

    /// Resolves when [`blocked`](Client::blocked) gives something, or nothing, as `wanted` says.
    pub(crate) async fn until_blocked(&self, wanted: bool) {
        let (publishing, consuming) = (&self.0.publishing, &self.0.consuming);
        if wanted {
            tokio::select! {
                () = publishing.until_blocked(true) => {}
                () = consuming.until_blocked(true) => {}
            }
        } else {
            // One that blocks again while the other is waited for is found by the next ping.
            tokio::join!(publishing.until_blocked(false), consuming.until_blocked(false));
        }
    }

    /// Gives the broker a new password or token for both connections, which go on with it: for a
    /// login that expires, such as an OAuth 2 token. Limit: 5 s. A broker with passwords of its own
    /// takes any for the same user, and looks at it with the next connect.
    ///
    /// # Errors
    /// [`Error::Driver`] where the broker refuses it, and then it has closed the connection;
    /// [`Error::TimedOut`].
    ///
    /// # Cancel safety
    /// One of the two connections may have it, and the other not.
    pub async fn update_secret(&self, secret: &Secret) -> Result<(), Error> {
        let text = || lapin::types::LongString::from(secret.expose());
        let publishing = self.publishing().update_secret(text(), "rotated".into());
        let consuming = self.consuming().update_secret(text(), "rotated".into());
        let doing = "updating the secret";
        let publishing = bounded(doing, ANSWER_LIMIT, publishing);
        let consuming = bounded(doing, ANSWER_LIMIT, consuming);
        tokio::try_join!(publishing, consuming).map(drop)
    }

    pub(crate) fn channels(&self) -> &Channels {
        &self.0.channels
    }

    pub(crate) fn entities(&self) -> &Entities {
        &self.0.entities
    }

    /// Does `work` for as long as the connection for everything but publishing is there.
    pub(crate) async fn while_consuming<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.0.consuming.while_there(work).await
    }

    /// The same of the connection for publishing.
    pub(crate) async fn while_publishing<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.0.publishing.while_there(work).await
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        let (publishing, consuming) =
            tokio::join!(self.0.publishing.ping(), self.0.consuming.ping());
        publishing.and(consuming)
    }

    /// Whether both connections were read from within the last `limit`.
    pub(crate) fn heard(&self, limit: Duration) -> bool {
        self.0.publishing.heard(limit) && self.0.consuming.heard(limit)
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

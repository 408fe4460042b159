//! What a subscription gives.

use super::Topic;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

/// What happened on a [`Subscription`](crate::Subscription).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something was published.
    Message(Message),
    /// The connection was lost and is there again: what was published in between did not come.
    Gap(Gap),
}

/// A published message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// What it came by: the channel, or the pattern that its channel matched.
    pub topic: Topic,
    /// The channel that it was published to.
    pub channel: String,
    /// Its content.
    pub payload: Vec<u8>,
}

impl Message {
    /// Its content, read as JSON.
    ///
    /// # Errors
    /// Where it is none, or not one of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.payload)
    }
}

/// The content may be anybody's business, and long.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, channel, payload } = self;
        f.debug_struct("Message")
            .field("topic", topic)
            .field("channel", channel)
            .field("bytes", &payload.len())
            .finish()
    }
}

/// A time in which messages may have been missed: Redis keeps none for who is not connected.
///
/// It comes after everything is subscribed to again. So whoever reads now what the messages would
/// have told (a snapshot) has it all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// From the last sign of life of the lost connection until all topics were subscribed to again.
    pub lasted: Duration,
    /// Why the connection was lost.
    pub cause: String,
}

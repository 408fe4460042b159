//! The ways in which a publish can end.

use qa_resource_core::{Error, Outcome};

/// The broker has the message and answers for it: a persistent one in a durable queue is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it says under which id the message is known"]
pub struct Confirmed {
    /// The message's id: the one that was given, or the one that was made for it.
    pub message_id: String,
    /// How often it was sent; above 1 the queue may hold it more than once, under the same id.
    pub attempts: u32,
}

/// Why a message is not confirmed, and what is known of it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No queue wanted it: the exchange has no binding for its routing key. It is in no queue.
    #[error("the message was returned: {code} {text}; check the bindings and the routing key")]
    Returned {
        /// The broker's reply code; 312 is "no route".
        code: u16,
        /// What the broker says.
        text: String,
    },
    /// The broker refused it: a queue is full, or its leader is gone. It is not kept.
    #[error("the broker refused the message; check the queue's limits and its log")]
    Nacked,
    /// It was sent and no answer came: it may be in the queue.
    #[error("the message may be in the queue: {0}")]
    Unknown(#[source] Error),
    /// It was never sent: no connection, or no room in the window, within the limit; or its channel
    /// was closed at the moment of sending.
    #[error("the message was not sent: {0}")]
    NotSent(#[source] Error),
}

impl PublishError {
    /// Whether the message can be in a queue.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Unknown(_) => Outcome::Unknown,
            Self::Returned { .. } | Self::Nacked | Self::NotSent(_) => Outcome::NotApplied,
        }
    }

    /// Whether the same message may be confirmed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Nacked => true,
            Self::Returned { .. } => false,
            Self::Unknown(error) | Self::NotSent(error) => error.kind().is_transient(),
        }
    }
}

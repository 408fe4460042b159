//! The ways in which a request can end without an answer.

use crate::PublishError;
use qa_resource_core::{Error, Outcome};
use std::time::Duration;

/// Why a request has no answer, and what is known of it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// It did not reach a queue, or may not have. [`PublishError::Returned`] means that nobody serves
    /// such requests.
    #[error("the request was not handed over: {0}")]
    Publish(#[from] PublishError),
    /// There was no connection, or no queue for the answer, in time.
    #[error("the request was not sent: {0}")]
    NotSent(#[source] Error),
    /// It was handed over, and no answer came in time: it may have been carried out.
    #[error("no answer came within {0:?}; the request may have been carried out")]
    TimedOut(Duration),
    /// It was handed over, and then the connection was lost, and with it the queue for the answer: it
    /// may have been carried out.
    #[error("the connection was lost before an answer came; the request may have been carried out")]
    Lost,
    /// The server answered that it could not.
    #[error("the server refused the request: {0}")]
    Refused(String),
}

impl RpcError {
    /// Whether the request can have been carried out. Where the server has [refused](Self::Refused)
    /// it, it alone knows how much of it.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Publish(error) => error.outcome(),
            Self::NotSent(_) => Outcome::NotApplied,
            Self::TimedOut(_) | Self::Lost | Self::Refused(_) => Outcome::Unknown,
        }
    }
}

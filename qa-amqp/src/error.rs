//! The error of this backend: the driver's own, and what the driver has no word for.

use std::time::Duration;

/// What can go wrong between us and a RabbitMQ broker.
///
/// Inside [`Resource::run`](qa_resource_core::Resource::run) the driver's errors turn into this
/// one with `?`. No user, password or URL is in any of them.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The driver's own error.
    #[error(transparent)]
    Driver(#[from] lapin::Error),

    /// No channel was to be had on the connection. A channel alone changes nothing, so nothing was
    /// applied.
    #[error("opening a channel: {0}")]
    Open(#[source] lapin::Error),

    /// A part of the topology was refused: it is there with other properties, which the broker names
    /// (406), is not ours to touch (403), is missing (404) or in use by another connection (405).
    #[error("{doing} {entity}: {source}")]
    Declare {
        /// What was tried: `declaring`, `unbinding`, `deleting`.
        doing: &'static str,
        /// Which one: ``queue `bars` ``.
        entity: String,
        /// What the broker says.
        source: lapin::Error,
    },

    /// A queue can't be consumed: it is missing, or is another connection's.
    #[error("consuming queue `{queue}`: {source}")]
    Consume {
        /// Which queue.
        queue: String,
        /// What the broker says.
        source: lapin::Error,
    },

    /// A name is longer than the 255 bytes that AMQP has room for.
    #[error("the {what} has {length} bytes and AMQP allows 255")]
    Name {
        /// What it names.
        what: &'static str,
        /// How long it is.
        length: usize,
    },

    /// The broker did not answer in time. Where that was `opening a channel`, nothing was applied.
    #[error("{doing}: no answer within {limit:?}")]
    TimedOut {
        /// What was tried.
        doing: &'static str,
        /// How long was waited.
        limit: Duration,
    },

    /// The login could not be had from where it comes from.
    #[error("asking for the login: {0}")]
    Credentials(String),

    /// TLS can't be set up: a file is missing or holds the wrong thing.
    #[error("setting up tls: {0}")]
    Tls(String),
}

impl Error {
    /// The AMQP reply code that the broker gave, where it gave one.
    #[must_use]
    pub fn reply_code(&self) -> Option<u16> {
        let driver = match self {
            Self::Driver(error)
            | Self::Open(error)
            | Self::Declare { source: error, .. }
            | Self::Consume { source: error, .. } => error,
            Self::Name { .. } | Self::TimedOut { .. } | Self::Credentials(_) | Self::Tls(_) => {
                return None;
            }
        };
        match driver.kind() {
            lapin::ErrorKind::ProtocolError(error) => Some(error.get_id()),
            _ => None,
        }
    }
}

/// What [`Error::TimedOut`] calls the opening of a channel, which changes nothing.
pub(crate) const OPENING: &str = "opening a channel";

/// The driver's short string, which panics where this is an error.
pub(crate) fn name(what: &'static str, text: &str) -> Result<lapin::types::ShortString, Error> {
    lapin::types::ShortString::try_new(text).map_err(|_| Error::Name { what, length: text.len() })
}

/// Runs a question to the broker under a limit.
pub(crate) async fn bounded<T>(
    doing: &'static str,
    limit: Duration,
    question: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, question).await {
        Ok(answer) => answer.map_err(Error::Driver),
        Err(_) => Err(Error::TimedOut { doing, limit }),
    }
}

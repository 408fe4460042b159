//! What can go wrong, said so that the reader knows what to do.

use std::io;
use std::time::Duration;

use crate::{Provider, System};

/// Why a server could not be had or broken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No provider could start the server.
    #[error(
        "no {system} server to be had: {tried}; start Docker, or run scripts/install-servers.sh, or set {} to the url of a server",
        system.url_variable()
    )]
    NoServer {
        /// The system that was asked for.
        system: System,
        /// What was tried, and why each failed.
        tried: String,
    },
    /// A server was found but did not come up.
    #[error("{system} did not start: {reason}{}", after("last lines of its log", log))]
    Start {
        /// The system that was started.
        system: System,
        /// What was seen.
        reason: String,
        /// The last lines of its log; empty if there is none.
        log: String,
    },
    /// The server did not let a client log in within the limit.
    #[error("{system} on port {port} was not ready within {limit:?}: {reason}")]
    NotReady {
        /// The system that was waited for.
        system: System,
        /// Its port.
        port: u16,
        /// How long it was given.
        limit: Duration,
        /// What the last attempt saw.
        reason: String,
    },
    /// This server cannot do what was asked.
    #[error("a {system} server of provider {provider} cannot be asked to {what}: {reason}")]
    Unsupported {
        /// The system.
        system: System,
        /// How the server was got.
        provider: Provider,
        /// The verb.
        what: &'static str,
        /// Why not, and what would help.
        reason: &'static str,
    },
    /// A name that is not one of the known ones.
    #[error("unknown {what} `{name}`: known are {known}")]
    UnknownName {
        /// What the name should have named.
        what: &'static str,
        /// The name.
        name: String,
        /// The known names.
        known: &'static str,
    },
    /// A URL from the environment that cannot be used. The URL is not shown: it holds a password.
    #[error("{variable} is not a usable url of a {system} server: {reason}")]
    Url {
        /// The environment variable.
        variable: &'static str,
        /// The system.
        system: System,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A program, a file or the network of this machine failed.
    #[error("could not {what}")]
    Io {
        /// What was being tried.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The container engine refused or failed.
    #[error("the container engine could not {what}: {reason}")]
    Engine {
        /// What was being tried.
        what: String,
        /// What the engine said.
        reason: String,
    },
    /// The nodes of a cluster run, but together they did not get where they should.
    #[error("the {cluster} had no {what} within {limit:?}: {reason}")]
    Cluster {
        /// The kind of cluster.
        cluster: &'static str,
        /// What was waited for.
        what: &'static str,
        /// How long it was given.
        limit: Duration,
        /// What the last look saw.
        reason: String,
    },
    /// The server answered, but with a refusal.
    #[error("{system} refused to {what}: {reason}")]
    Refused {
        /// The system.
        system: System,
        /// What was being tried.
        what: &'static str,
        /// What the server said.
        reason: String,
    },
}

impl Error {
    /// For `map_err`: an I/O error with what was being tried.
    pub(crate) fn io<T: Into<String>>(what: T) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }

    /// The message with the messages of its causes.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

fn after(title: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("; {title}:\n{text}")
}

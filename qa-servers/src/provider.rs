//! The three ways to get a server.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// How a server was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Someone else runs it; its URL came from the environment. It cannot be broken.
    External,
    /// A container of a Docker engine.
    Container,
    /// A process of this machine.
    Process,
}

impl Provider {
    /// The name as it is written in messages and in `QA_TEST_PROVIDER`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Provider::External => "external",
            Provider::Container => "container",
            Provider::Process => "process",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Provider {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Provider::External, Provider::Container, Provider::Process]
            .into_iter()
            .find(|provider| provider.name() == name)
            .ok_or_else(|| Error::UnknownName {
                what: "provider",
                name: name.to_owned(),
                known: "external, container, process",
            })
    }
}

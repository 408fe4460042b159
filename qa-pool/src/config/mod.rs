//! What the pool is made from: a file, the environment, or both.

mod environment;
mod error;
mod file;

pub use error::ConfigError;

use environment::Environment;
use qa_resource_core::{Settings, Target};
use std::path::Path;
use std::time::Duration;

/// The resources of a process, in order, and how long their shutdown may take.
///
/// ```toml
/// shutdown_timeout = "25s"            # default 25s
///
/// [[resource]]                        # connected together, closed in reverse order
/// name = "orders"                     # required
/// url = "amqp://app@broker:5672/%2f"  # the scheme picks the backend
/// password = "${RABBIT_PASSWORD}"     # instead of the URL's; need not be percent-encoded
/// required = true                     # default true
/// acquire_timeout = "1s"              # and every other key of Settings
///
/// [resource.tls]                      # for amqps, rediss, clickhouses, mongodb with tls=true
/// ca_file = "ca.pem"
/// ```
///
/// `${NAME}` in `url`, `user` and `password` is taken from the environment. `QA_<NAME>_URL` stands
/// before the file's `url` and `QA_<NAME>__<SETTING>` before its settings, where `<NAME>` is the
/// resource's name in capitals with `_` for everything that is not a letter or digit. With
/// [`Config::from_env`] each `QA_<NAME>_URL` is a resource.
#[derive(Clone, Debug)]
pub struct Config {
    /// The resources, in the order in which they are added to the pool.
    pub resources: Vec<ResourceConfig>,
    /// How long the shutdown of all may take. Default: 25 s.
    pub shutdown_timeout: Duration,
}

/// One resource of a [`Config`].
#[derive(Clone, Debug)]
pub struct ResourceConfig {
    /// Its name, where it is and whom to trust.
    pub target: Target,
    /// How it behaves in time.
    pub settings: Settings,
    /// Whether the pool can't do without it. Default: true.
    pub required: bool,
}

impl Config {
    /// Reads a TOML file, and the environment for what it refers to and what overrides it.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that can't be read, and for everything in it that is wrong, with
    /// file, line and key; never with a value.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read(path.to_owned(), error))?;
        file::parse(&text, &path.display().to_string(), &Environment::of_process())
    }

    /// As [`from_file`](Self::from_file), from a text.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        file::parse(text, "configuration", &Environment::of_process())
    }

    /// A resource for each variable `QA_<NAME>_URL`, in the order of their names; `<NAME>` in lower
    /// case is the resource's name. Variables that begin with `QA_TEST_` are not meant.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable; never its value.
    pub fn from_env() -> Result<Self, ConfigError> {
        environment::config(&Environment::of_process())
    }
}

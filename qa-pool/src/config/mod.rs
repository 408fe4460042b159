//! What the pool is made from: a file, the environment, or both.

mod changes;
mod draft;
mod environment;
mod error;
mod file;
mod group;
mod keys;
mod origin;
mod quantaxis;
mod schema;
mod source;
mod values;

pub use changes::{Change, Changes, Effect};
pub use error::ConfigError;
pub(crate) use group::member_name;
pub use group::{GroupConfig, MemberConfig};
pub use origin::{Origin, Sources};
pub use values::ConfigValue;

use crate::run::SHUTDOWN_TIMEOUT;
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
///
/// [resource.group]                    # other servers that are alike: see GroupConfig
/// policy = "failover"                 # default least-loaded
/// members = [{ host = "broker2" }]    # with the login, path and options of the url
/// ```
///
/// `${NAME}` in `url`, `user` and `password` is taken from the environment. `QA_<NAME>_URL`,
/// `QA_<NAME>_USER` and `QA_<NAME>_PASSWORD` stand before the file's keys and
/// `QA_<NAME>__<SETTING>` before its settings, where `<NAME>` is the resource's name in capitals with
/// `_` for everything that is not a letter or digit. With [`Config::from_env`] each `QA_<NAME>_URL`
/// is a resource.
///
/// Each of `url`, `user` and `password` may be in a file of its own instead, as Docker and Kubernetes
/// mount secrets: `password_file = "/run/secrets/password"`, or `QA_<NAME>_PASSWORD_FILE`. It is read
/// now, so that one that is missing is told, and again at each connect; of a URL's file only user and
/// password are taken anew.
///
/// It knows where each value came from ([`values`](Self::values)), and what another one would change
/// ([`changes`](Self::changes)).
#[derive(Clone, Debug)]
pub struct Config {
    /// The resources, in the order in which they are added to the pool.
    pub resources: Vec<ResourceConfig>,
    /// How long the shutdown of all may take. Default: 25 s.
    pub shutdown_timeout: Duration,
    /// Where the values came from; nowhere, where it was made in code.
    pub sources: Sources,
}

impl Default for Config {
    /// No resource, and 25 s.
    fn default() -> Self {
        Self {
            resources: Vec::new(),
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            sources: Sources::default(),
        }
    }
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
    /// Other servers that are alike, and how the group of all of them behaves. Default: none; several
    /// hosts in the URL of a ClickHouse are a group, too, with the defaults of [`GroupConfig`].
    pub group: Option<GroupConfig>,
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

    /// A resource for each variable `QA_<NAME>_URL` or `QA_<NAME>_URL_FILE`, in the order of their names; `<NAME>` in lower
    /// case is the resource's name. Variables that begin with `QA_TEST_` are not meant.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable; never its value.
    pub fn from_env() -> Result<Self, ConfigError> {
        environment::config(&Environment::of_process())
    }

    /// The resources of a deployment of QUANTAXIS, from the variables that it sets: `MONGOURI`,
    /// `MONGODB`, `QAPUBSUB_IP` and so on. There is one for each system of which a variable is set,
    /// named `mongo`, `rabbitmq`, `clickhouse` and `redis`. The table with all variables and defaults
    /// is in `docs/configuration.md`. Each may be in a file: `QAPUBSUB_PWD_FILE`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable; never its value.
    pub fn from_quantaxis_env() -> Result<Self, ConfigError> {
        quantaxis::config(&Environment::of_process())
    }

    /// The JSON schema (draft 2020-12) of the file, for editors that read TOML with one.
    ///
    /// ```
    /// let schema = qa_pool::Config::schema();
    /// assert_eq!(schema["properties"]["resource"]["items"]["required"][0], "name");
    /// ```
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schema::schema()
    }
}

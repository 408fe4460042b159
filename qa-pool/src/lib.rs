//! The connections of a trading system behind one pool.
//!
//! One line per backend, one lifecycle for all of them, one ordered shutdown. Each backend is
//! behind a feature of its own (`mongo`, `amqp`, `clickhouse`, `redis`), none is on by default, and
//! `tls` adds TLS to those that are.
//!
//! ```
//! use qa_pool::{Config, ResourcePool};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // From a file, with ${VARIABLES} and QA_<NAME>_URL from the environment: Config::from_file("qa.toml").
//! let config = Config::from_toml("shutdown_timeout = '10s'")?;
//! let pool = ResourcePool::from_config(&config)?;
//! pool.connect().await?;
//! // pool.redis()?.run(async |lease| lease.clone().set_ex::<_, _, ()>("signal:000001", "buy", 300).await).await?;
//! let report = pool.close(config.shutdown_timeout).await;
//! assert!(report.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! [`run`] is the whole of a well-behaved `main`: connect, run, wait for SIGTERM, shut down.
//! [`run_from`] reads the file, too, and takes it anew on SIGHUP, and secrets that are mounted anew.
//! Code that is not async has `blocking`, with the feature of that name.

mod backends;
#[cfg(feature = "blocking")]
pub mod blocking;
mod config;
mod drop_guard;
mod follow;
mod global;
#[cfg(feature = "http")]
pub mod http;
mod login;
mod pool;
mod reload;
mod run;

pub use backends::KNOWN_SCHEMES;
pub use config::{
    Change, Changes, Config, ConfigError, ConfigValue, Effect, GroupConfig, MemberConfig, Origin,
    ResourceConfig, Sources,
};
pub use drop_guard::DropGuard;
pub use global::{AlreadyInstalled, global, global_or_init, install};
pub use pool::{ConnectError, GroupStatus, ResourcePool};
pub use qa_resource_core as core;
pub use qa_resource_core::{
    About, Backend, CloseReport, Ejection, Error, ErrorKind, Events, Group, GroupEvent,
    GroupEvents, GroupSettings, Health, Lease, Member, MemberStatus, Outcome, Policy, Reading,
    Resource, Result, Settings, ShutdownReport, State, Status, SwitchReason, Transition,
};
pub use run::{run, run_from, run_within};

#[cfg(feature = "amqp")]
pub use qa_amqp as amqp;
#[cfg(feature = "clickhouse")]
pub use qa_clickhouse as clickhouse;
#[cfg(feature = "mongo")]
pub use qa_mongo as mongo;
#[cfg(feature = "redis")]
pub use qa_redis as redis;

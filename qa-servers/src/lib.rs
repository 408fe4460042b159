//! Real servers for tests, demos and benchmarks, and the faults to break them with.
//!
//! A [`Server`] is one real MongoDB, RabbitMQ, ClickHouse or Redis on a loopback port. It can be
//! stopped, killed, frozen, thawed and started again with its port and its data kept, and nothing
//! of it stays behind: not even when the process that started it is killed with signal 9.
//!
//! ```no_run
//! # async fn example() -> Result<(), qa_servers::Error> {
//! use qa_servers::{Server, System};
//!
//! let redis = Server::start(System::Redis).await?;
//! println!("connect to {}", redis.url());
//! redis.kill().await?;
//! redis.start_again().await?; // same port, same data, ready for a login
//! redis.remove().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where a server comes from
//!
//! [`Server::start`] takes the first of these that works, and says what it tried if none does:
//!
//! 1. the URL in `QA_TEST_MONGO_URL`, `QA_TEST_RABBITMQ_URL`, `QA_TEST_CLICKHOUSE_URL` or
//!    `QA_TEST_REDIS_URL` ([`Provider::External`]; it cannot be broken);
//! 2. a container, when a Docker engine answers ([`Provider::Container`]);
//! 3. a process of this machine ([`Provider::Process`]), from what `scripts/install-servers.sh`
//!    installs.
//!
//! `QA_TEST_PROVIDER=container` or `=process` forces one.
//!
//! # What else a test needs
//!
//! [`cluster`] has several servers that fail over: a MongoDB replica set, Redis under sentinels, a
//! Redis Cluster. They are processes always, and their nodes can be broken like any server.
//!
//! [`testing`] waits with a deadline, and has ports behind which there is nobody. [`proxy`] is a bad
//! network in front of any server: slow, narrow, silent, or full of holes. [`tls`], behind the
//! feature `tls`, has certificates of one's own, servers that speak TLS with them, and a TLS end in
//! front of any server.

mod address;
mod alarm;
pub mod cluster;
mod container;
mod environment;
mod error;
mod faults;
mod log;
mod management;
mod options;
mod password;
mod ports;
mod process;
mod provider;
pub mod proxy;
mod ready;
mod secret;
mod server;
mod speak;
mod start;
mod system;
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
mod watchdog;

pub use error::Error;
pub use options::Options;
pub use provider::Provider;
pub use server::Server;
pub use system::System;

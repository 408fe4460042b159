//! One lifecycle for the connections of a service: connect, watch, bring back, drain, close.
//!
//! A [`Backend`] says *how* to talk to one kind of server; a [`Resource`] says *when*. One
//! supervisor task per resource connects it, notices its loss, brings it back and ends it, for
//! every backend alike. Callers hold [`Lease`]s: the right to use a live client, which is what a
//! drain waits for. A [`Group`] is several interchangeable resources behind one name, and
//! [`Shutdown`] ends many of them in order, inside one deadline.
//!
//! This crate knows no driver. The backends are `qa-mongo`, `qa-amqp`, `qa-clickhouse` and
//! `qa-redis`; `qa-pool` puts them behind one pool.
//!
//! ```
//! use qa_resource_core::{Backend, Class, ErrorKind, Resource, Settings, async_trait};
//! use std::time::Duration;
//! use tokio::net::TcpStream;
//!
//! /// The least of a backend: a port that must be open.
//! struct Port(String);
//!
//! #[async_trait]
//! impl Backend for Port {
//!     const SYSTEM: &'static str = "port";
//!     type Client = String;
//!     type Error = std::io::Error;
//!
//!     fn address(&self) -> &str {
//!         &self.0
//!     }
//!     async fn connect(&self) -> std::io::Result<String> {
//!         Ok(self.0.clone())
//!     }
//!     async fn ping(&self, address: &String) -> std::io::Result<()> {
//!         TcpStream::connect(address).await.map(drop)
//!     }
//!     async fn close(&self, _: String) -> std::io::Result<()> {
//!         Ok(())
//!     }
//!     fn classify(_: &std::io::Error) -> Class {
//!         Class::not_applied(ErrorKind::Connect)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> qa_resource_core::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! let address = listener.local_addr().unwrap().to_string();
//! let port = Resource::new("port", Port(address.clone()), Settings::default());
//! let lease = port.acquire().await?; // connects, because nobody has yet
//! assert_eq!(*lease, address);
//! drop(lease);
//! assert!(port.close(Duration::from_secs(1)).await.is_clean());
//! # Ok(())
//! # }
//! ```

mod about;
mod admission;
mod attachment;
mod backend;
mod closing;
mod codes;
mod comeback;
mod credentials;
mod deadline;
mod dial;
mod ending;
mod endpoint;
mod error;
mod events;
mod file_credentials;
mod gate;
mod group;
mod health;
mod leaks;
mod lease;
mod live;
mod managed;
pub mod metrics;
#[cfg(test)]
mod model;
mod probation;
mod register;
mod renewal;
mod report;
mod resource;
mod retry;
mod run;
mod secret;
mod secret_file;
mod settings;
mod shared;
mod shutdown;
mod snapshot;
mod spans;
mod state;
mod stats;
mod supervisor;
mod target;
pub mod tls;
mod transition;
mod vigil;

pub use about::About;
pub use async_trait::async_trait;
pub use attachment::{Attachment, Stage, Undrained};
pub use backend::{Backend, Recovery};
pub use codes::Codes;
pub use credentials::{Credentials, Login};
pub use dial::DIAL_LIMIT;
pub use endpoint::{Endpoint, EndpointError, Host};
pub use error::{Class, Error, ErrorKind, Outcome, Result};
pub use events::{EventBus, Events};
pub use file_credentials::{FileCredentials, LoginPart};
pub use group::{
    Ejection, Group, GroupEvent, GroupEvents, GroupSettings, MOST_MEMBERS, Member, MemberStatus,
    Policy, SwitchReason,
};
pub use health::{Health, Reading};
pub use lease::Lease;
pub use managed::Managed;
pub use report::{CloseReport, Forced};
pub use resource::Resource;
pub use retry::{Backoff, Budget};
pub use secret::Secret;
pub use secret_file::{SecretFile, SecretFileError};
pub use settings::Settings;
pub use shutdown::{Shutdown, ShutdownReport};
pub use state::{Event, State};
pub use stats::{Stats, Status};
pub use target::Target;
pub use tls::TlsSettings;
pub use transition::{Transition, Watch};

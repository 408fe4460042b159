//! Core
mod backend;
mod endpoint;
mod error;
mod retry;
mod secret;
mod settings;
mod state;
mod target;
pub mod tls;

pub use async_trait::async_trait;
pub use backend::{Backend, Recovery};
pub use endpoint::{Endpoint, EndpointError, Host};
pub use error::{Class, Error, ErrorKind, Outcome, Result};
pub use retry::{Backoff, Budget};
pub use secret::Secret;
pub use settings::Settings;
pub use state::{Event, State};
pub use target::Target;
pub use tls::TlsSettings;

//! Requests that are answered: the answer comes over the broker, to a queue of the asker's own.

mod client;
mod error;
mod server;

pub use client::RpcClient;
pub use error::RpcError;
pub use server::serve;

/// The header of an answer that says why there is none.
const ERROR_HEADER: &str = "qa-error";

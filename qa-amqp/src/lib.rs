//! RabbitMQ for qa-resource.
mod backend;
mod classify;
mod client;
mod declare;
mod dial;
mod error;
mod link;
mod options;
mod socket;
mod topology;

#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub use backend::RabbitMq;
pub use client::Client;
pub use error::Error;
pub use lapin;
pub use topology::{Binding, Destination, Exchange, Queue, Topology};

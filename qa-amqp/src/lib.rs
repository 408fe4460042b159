//! RabbitMQ for qa-resource.
mod backend;
mod classify;
mod client;
mod consumer;
mod declare;
mod dial;
mod error;
mod link;
pub mod metrics;
mod options;
mod publisher;
mod socket;
mod topology;

#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub use backend::RabbitMq;
pub use client::Client;
pub use consumer::{Consumer, ConsumerSettings, ConsumerStats, Delivery, OnError};
pub use error::Error;
pub use lapin;
pub use publisher::{Confirmed, PublishError, Publisher, PublisherSettings};
pub use topology::{Binding, Destination, Exchange, Queue, Topology};

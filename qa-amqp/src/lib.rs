//! RabbitMQ for qa-resource: publishes with the broker's word for each message, and consumers and
//! topology that come back by themselves.
//!
//! ```no_run
//! use qa_amqp::{Consumer, ConsumerSettings, Publisher, PublisherSettings, Queue, RabbitMq, Topology};
//! use qa_amqp::lapin::BasicProperties;
//! use qa_resource_core::{Resource, Settings, Target};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let target = Target::parse("orders", "amqp://user:password@localhost/%2F")?;
//! let backend = RabbitMq::new(&target)?.with_topology(Topology::new().queue(Queue::new("bars")));
//! let rabbit = Resource::new("orders", backend, Settings::default());
//! rabbit.connect().await?;
//!
//! let consumer = Consumer::start(&rabbit, ConsumerSettings::new("bars"), |delivery| async move {
//!     println!("{} bytes", delivery.payload.len());
//!     Ok::<_, std::io::Error>(()) // acknowledged; an error would bring the message back
//! });
//!
//! let publisher = Publisher::new(&rabbit, PublisherSettings::default());
//! let confirmed = publisher.publish("", "bars", b"{}", BasicProperties::default()).await?;
//! println!("{} is on disk", confirmed.message_id);
//!
//! // Stops the consumer, waits for its handlers and for outstanding confirms, says goodbye.
//! println!("{}", rabbit.close(Duration::from_secs(10)).await);
//! # drop(consumer);
//! # Ok(())
//! # }
//! ```
//!
//! # What is lost, and when
//!
//! Nothing that was confirmed, as long as the queue is durable and its disk lives. A message whose
//! publish ended as [`PublishError::Unknown`] may be in the queue;
//! [`publish_until_confirmed`](Publisher::publish_until_confirmed) sends it again under the same id.
//! Consumers see each message at least once, and tell copies by
//! [`message_id`](Delivery::message_id).
//!
//! # What is logged
//!
//! Nothing secret by this crate. The driver's own log at TRACE has its frames, and with the first of
//! them user and password: keep it out, as with `RUST_LOG=trace,lapin=debug`.
//!
//! # What is traced
//!
//! Each publish is a span `publish`, each message's handling a span `process`, both at INFO. With the
//! feature `opentelemetry`, the context of a trace goes along in the message's headers, in the form
//! that `opentelemetry::global::set_text_map_propagator` has chosen, and the handling is a child of
//! the publish, in whatever process and language that was.
//!
//! # What a lease gives
//!
//! A [`Client`]: two connections of the driver ([`lapin`]), one for publishing and one for everything
//! else. The driver's own recovery stays off; the supervisor reconnects.

mod about;
mod backend;
mod channels;
mod classify;
mod client;
mod consumer;
mod declare;
mod dial;
mod entities;
mod error;
mod exchange_publisher;
mod heard;
mod link;
pub mod metrics;
mod options;
mod publisher;
mod rpc;
mod socket;
mod spans;
mod subscriber;
mod topology;

#[cfg(feature = "opentelemetry")]
mod trace_context;
#[cfg(not(feature = "opentelemetry"))]
#[path = "no_trace_context.rs"]
mod trace_context;

#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub use backend::RabbitMq;
pub use client::Client;
pub use consumer::{Consumer, ConsumerSettings, ConsumerStats, Delivery, Failed, OnError, Order};
pub use error::Error;
pub use exchange_publisher::ExchangePublisher;
pub use lapin;
pub use publisher::{Confirmed, PublishError, Publisher, PublisherSettings, Publishing};
pub use rpc::{RpcClient, RpcError, serve};
pub use subscriber::Subscriber;
pub use topology::{Binding, Destination, Exchange, Overflow, Queue, Topology};

//! Publish and subscribe: to one exchange, for whoever listens.

use crate::{Confirmed, Exchange, PublishError, Publisher, PublisherSettings, RabbitMq, Topology};
use lapin::BasicProperties;
use qa_resource_core::{Group, Result};
use serde::Serialize;
use std::fmt;

/// Publishes to one exchange, which it declares with every connect: the counterpart of
/// [`Subscriber`](crate::Subscriber). Cheap to clone.
///
/// ```no_run
/// # async fn example(group: qa_resource_core::Group<qa_amqp::RabbitMq>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use qa_amqp::{Exchange, ExchangePublisher};
/// let ticks = ExchangePublisher::start(&group, Exchange::direct("ticks")).await?;
/// ticks.publish("cu2512", b"70210.0").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ExchangePublisher {
    exchange: String,
    publisher: Publisher,
}

impl ExchangePublisher {
    /// Declares `exchange`, for messages that are worth nothing later: they are kept in memory alone,
    /// and one that nobody listens to vanishes.
    ///
    /// # Errors
    /// Those of [`Resource::run`](qa_resource_core::Resource::run), with
    /// [`Error::Declare`](crate::Error::Declare) as their source where the exchange is another than
    /// it is declared as.
    ///
    /// # Cancel safety
    /// The exchange may be declared.
    pub async fn start(group: impl Into<Group<RabbitMq>>, exchange: Exchange) -> Result<Self> {
        let name = format!("publisher to `{}`", exchange.name);
        let settings = PublisherSettings {
            name,
            persistent: false,
            mandatory: false,
            ..PublisherSettings::default()
        };
        Self::with_settings(group, exchange, settings).await
    }

    /// Declares `exchange`, for messages that are kept: with the default settings they are written to
    /// disk, and one that no queue takes comes back as
    /// [`PublishError::Returned`](crate::PublishError::Returned).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// As [`start`](Self::start).
    pub async fn with_settings(
        group: impl Into<Group<RabbitMq>>,
        exchange: Exchange,
        settings: PublisherSettings,
    ) -> Result<Self> {
        let (group, name) = (group.into(), exchange.name.clone());
        let topology = Topology::new().exchange(exchange);
        group.run_idempotent(async |lease| lease.declare(topology.clone()).await).await?;
        Ok(Self { exchange: name, publisher: Publisher::new(group, settings) })
    }

    /// Publishes a message under `key` (a fanout exchange takes every key for the same) and waits for
    /// the broker's word.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    ///
    /// # Cancel safety
    /// As [`Publisher::publish`].
    pub async fn publish(&self, key: &str, payload: &[u8]) -> Result<Confirmed, PublishError> {
        self.publisher.publish(&self.exchange, key, payload, BasicProperties::default()).await
    }

    /// Publishes `value` as JSON. In all else as [`publish`](Self::publish).
    ///
    /// # Errors
    /// As [`Publisher::publish_json`].
    ///
    /// # Cancel safety
    /// As [`Publisher::publish`].
    pub async fn publish_json<T: Serialize + Sync + ?Sized>(
        &self,
        key: &str,
        value: &T,
    ) -> Result<Confirmed, PublishError> {
        let properties = BasicProperties::default();
        self.publisher.publish_json(&self.exchange, key, value, properties).await
    }

    /// Hands a message over and does not wait for the broker's word: the fastest way for ticks.
    ///
    /// # Errors
    /// As [`Publisher::publish_and_forget`].
    ///
    /// # Cancel safety
    /// As [`Publisher::publish_and_forget`].
    pub async fn publish_and_forget(&self, key: &str, payload: &[u8]) -> Result<(), PublishError> {
        let properties = BasicProperties::default();
        self.publisher.publish_and_forget(&self.exchange, key, payload, properties).await
    }

    /// The publisher itself, for what is not here.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }
}

impl fmt::Debug for ExchangePublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangePublisher")
            .field("exchange", &self.exchange)
            .field("publisher", &self.publisher)
            .finish()
    }
}

//! RabbitMQ: two pools of lapin's connections. Whoever publishes borrows one, and opens a channel on it.

use crate::pools::POOL;
use crate::{Peer, count};
use anyhow::{Result, anyhow, bail, ensure};
use async_trait::async_trait;
use bb8_lapin::LapinConnectionManager;
use bb8_lapin::prelude::DefaultConnectionBuilder;
use deadpool_lapin::lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use deadpool_lapin::lapin::types::FieldTable;
use deadpool_lapin::lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use deadpool_lapin::{Config, PoolConfig, Runtime};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::Instant;

/// The bytes of an order.
pub(crate) const SIZE: usize = 457;

/// A pool.
pub(crate) trait Lends: Send + Sync {
    /// A channel on a connection that is borrowed for as long as this takes.
    fn channel(&self) -> impl Future<Output = Result<Channel>> + Send;

    /// One message, confirmed.
    fn publish(&self, queue: &str) -> impl Future<Output = Result<()>> + Send;
}

/// A peer that publishes through a pool.
pub(crate) struct Publishes<P> {
    pool: P,
    queue: String,
    /// To empty the queue.
    aside: Channel,
}

impl<P: Lends> Publishes<P> {
    async fn new(pool: P, name: &str) -> Result<Self> {
        let (queue, aside) = (format!("bench-{name}"), pool.channel().await?);
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        aside.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await?;
        Ok(Self { pool, queue, aside })
    }
}

#[async_trait]
impl<P: Lends> Peer for Publishes<P> {
    async fn round(&mut self, words: &[&str]) -> Result<Vec<f64>> {
        if words.first() != Some(&"publish") {
            bail!("{words:?} is nothing to do");
        }
        let (messages, window) = (count(words, 1)?, count(words, 2)?);
        self.aside.queue_purge(self.queue.as_str().into(), QueuePurgeOptions::default()).await?;
        let began = Instant::now();
        let publish = |_| self.pool.publish(&self.queue);
        stream::iter(0..messages).map(publish).buffer_unordered(window).try_collect::<()>().await?;
        Ok(vec![began.elapsed().as_secs_f64()])
    }
}

/// A channel in confirm mode, a message, its confirm, and the channel's end.
async fn publish(connection: &Connection, queue: &str) -> Result<()> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let properties = properties.with_message_id("0123456789abcdef-1234".into());
    let sent =
        channel.basic_publish("".into(), queue.into(), options, &[0; SIZE], properties).await?;
    ensure!(sent.await?.is_ack(), "the broker did not take it");
    Ok(channel.close(200, "done".into()).await?)
}

pub(crate) async fn deadpool(url: &str) -> Result<Publishes<deadpool_lapin::Pool>> {
    let pool = Some(PoolConfig::new(POOL));
    let config = Config { url: Some(url.to_owned()), pool, ..Config::default() };
    let pool = config.create_pool(ConnectionProperties::default, Runtime::Tokio1)?;
    Publishes::new(pool, "deadpool").await
}

impl Lends for deadpool_lapin::Pool {
    async fn channel(&self) -> Result<Channel> {
        Ok(self.get().await?.create_channel().await?)
    }

    async fn publish(&self, queue: &str) -> Result<()> {
        publish(&*self.get().await?, queue).await
    }
}

type Manager = LapinConnectionManager<async_rs::Tokio>;
type Bb8 = ::bb8::Pool<Manager>;

pub(crate) async fn bb8(url: &str) -> Result<Publishes<Bb8>> {
    let builder = DefaultConnectionBuilder::new()?.with_uri_str(url.to_owned());
    let manager = LapinConnectionManager::new(builder);
    let pool = ::bb8::Pool::builder().max_size(u32::try_from(POOL)?).build(manager).await;
    let pool = pool.map_err(|error| anyhow!("{error:?}"))?;
    Publishes::new(pool, "bb8").await
}

impl Lends for Bb8 {
    async fn channel(&self) -> Result<Channel> {
        let connection = self.get().await.map_err(|error| anyhow!("{error:?}"))?;
        Ok(connection.create_channel().await?)
    }

    async fn publish(&self, queue: &str) -> Result<()> {
        let connection = self.get().await.map_err(|error| anyhow!("{error:?}"))?;
        publish(&connection, queue).await
    }
}

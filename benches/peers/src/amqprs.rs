//! RabbitMQ: another client, whose confirms are told to a callback; so many messages outstanding on one
//! channel that is kept.

use crate::rabbit::SIZE;
use crate::url::parts;
use crate::{Peer, count};
use ::amqprs::callbacks::{ChannelCallback, DefaultConnectionCallback};
use ::amqprs::channel::{
    BasicPublishArguments, Channel, ConfirmSelectArguments, QueueDeclareArguments,
    QueuePurgeArguments,
};
use ::amqprs::connection::{Connection, OpenConnectionArguments};
use ::amqprs::error::Error;
use ::amqprs::{Ack, BasicProperties, Cancel, CloseChannel, Nack, Return};
use anyhow::{Result, bail};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

const QUEUE: &str = "bench-amqprs";

/// What is outstanding, and the places for more.
struct Window {
    outstanding: Mutex<BTreeSet<u64>>,
    places: Semaphore,
}

impl Window {
    /// The broker has this one, or all up to it.
    fn confirmed(&self, tag: u64, all: bool) {
        let mut outstanding = self.outstanding.lock().unwrap_or_else(PoisonError::into_inner);
        let before = outstanding.len();
        if all {
            *outstanding = outstanding.split_off(&(tag + 1));
        } else {
            outstanding.remove(&tag);
        }
        self.places.add_permits(before - outstanding.len());
    }

    fn sends(&self, tag: u64) {
        self.outstanding.lock().unwrap_or_else(PoisonError::into_inner).insert(tag);
    }
}

struct Callback(Arc<Window>);

type Told<T> = std::result::Result<T, Error>;

#[async_trait]
impl ChannelCallback for Callback {
    async fn close(&mut self, _: &Channel, _: CloseChannel) -> Told<()> {
        self.0.places.close();
        Ok(())
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Told<()> {
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Told<bool> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        self.0.confirmed(ack.delivery_tag(), ack.mutiple());
    }

    /// A message that was refused or returned ends the round with an error: there are no more places.
    async fn publish_nack(&mut self, _: &Channel, _: Nack) {
        self.0.places.close();
    }

    async fn publish_return(&mut self, _: &Channel, _: Return, _: BasicProperties, _: Vec<u8>) {
        self.0.places.close();
    }
}

pub(crate) struct Amqprs {
    _connection: Connection,
    channel: Channel,
    window: Arc<Window>,
    /// What the channel has numbered last.
    tag: u64,
}

pub(crate) async fn connect(url: &str) -> Result<Amqprs> {
    let url = parts(url)?;
    let mut arguments = OpenConnectionArguments::new(url.host, url.port, url.user, url.password);
    let connection = Connection::open(arguments.virtual_host(&url.path)).await?;
    connection.register_callback(DefaultConnectionCallback).await?;
    let channel = connection.open_channel(None).await?;
    let window = Arc::new(Window { outstanding: Mutex::default(), places: Semaphore::new(0) });
    channel.register_callback(Callback(Arc::clone(&window))).await?;
    channel.queue_declare(QueueDeclareArguments::durable_client_named(QUEUE)).await?;
    channel.confirm_select(ConfirmSelectArguments::default()).await?;
    Ok(Amqprs { _connection: connection, channel, window, tag: 0 })
}

#[async_trait]
impl Peer for Amqprs {
    async fn round(&mut self, words: &[&str]) -> Result<Vec<f64>> {
        if words.first() != Some(&"publish") {
            bail!("{words:?} is nothing to do");
        }
        let (messages, places) = (count(words, 1)?, count(words, 2)?);
        self.channel.queue_purge(QueuePurgeArguments::new(QUEUE)).await?;
        let began = Instant::now();
        self.window.places.add_permits(places);
        for _ in 0..messages {
            self.window.places.acquire().await?.forget();
            self.tag += 1;
            self.window.sends(self.tag);
            let mut arguments = BasicPublishArguments::new("", QUEUE);
            arguments.mandatory(true);
            let properties = BasicProperties::default()
                .with_persistence(true)
                .with_message_id("0123456789abcdef-1234")
                .finish();
            self.channel.basic_publish(properties, vec![0; SIZE], arguments).await?;
        }
        // All places are free again once all are confirmed.
        self.window.places.acquire_many(u32::try_from(places)?).await?.forget();
        Ok(vec![began.elapsed().as_secs_f64()])
    }
}

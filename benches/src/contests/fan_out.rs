//! B15: ticks for a hundred listeners.

use super::{AS_BARE, AS_BARE_TIME, GOODBYE, NO_LONGER, NO_SLOWER, bare, broker, in_line};
use crate::bench::Bench;
use crate::child::Child;
use crate::contest::{Contest, milliseconds, rate, told, told_milliseconds};
use anyhow::{Context, Result};
use futures_util::StreamExt;
use qa_pool::amqp::lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use qa_pool::amqp::lapin::types::{FieldTable, ShortString};
use qa_pool::amqp::lapin::{BasicProperties, Channel, Connection, Consumer, ExchangeKind};
use qa_pool::amqp::{Delivery, Exchange, ExchangePublisher, RabbitMq, Subscriber};
use qa_pool::core::Resource;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

/// What is traded, each under a key of its own.
const KEYS: usize = 70;
/// Who listens, each to so many keys.
const LISTENERS: usize = 100;
const EACH: usize = 5;
/// The bytes of a tick.
const SIZE: usize = 802;
/// What ours has a broker send ahead, by default.
const PREFETCH: u16 = 64;
/// For all ticks of a round to arrive.
const LIMIT: Duration = Duration::from_secs(60);
/// A key that nothing is published under.
const SPARE: &str = "spare";

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    let (url, resource) = broker(bench, "bench-fan-out").await?;
    let ours = Arc::new(Ours::listen(&resource).await?);
    let bare = Arc::new(Bare::listen(&url).await?);
    let aio_pika = bench.python("day.py", "aio-pika", &url).await?;

    let rounds_of_keys = bench.pick(2, 30);
    let (ticks, deliveries) = (KEYS * rounds_of_keys, LISTENERS * EACH * rounds_of_keys);
    let through_ours = rate(deliveries, {
        let ours = Arc::clone(&ours);
        move || {
            let ours = Arc::clone(&ours);
            async move { ours.round(ticks, deliveries).await }
        }
    });
    let through_bare = rate(deliveries, {
        let bare = Arc::clone(&bare);
        move || {
            let bare = Arc::clone(&bare);
            async move { bare.round(ticks, deliveries).await }
        }
    });
    let line = format!("ticks {ticks} {deliveries}");
    let title = "W6 ticks under 70 keys, to 100 listeners of 5 keys each";
    let contest = Contest::new(title, &["deliveries/s"], "qa-amqp", through_ours)
        .beside("bare driver", &[AS_BARE], through_bare)
        .beside("aio-pika", &[NO_SLOWER], told(&aio_pika, line, deliveries));
    bench.hold(contest).await?;

    let times = bench.pick(5, 200);
    let through_ours = milliseconds(times, {
        let ours = Arc::clone(&ours);
        move || {
            let ours = Arc::clone(&ours);
            async move { ours.rebind(times).await }
        }
    });
    let through_bare = milliseconds(times, {
        let bare = Arc::clone(&bare);
        move || {
            let bare = Arc::clone(&bare);
            async move { bare.rebind(times).await }
        }
    });
    let line = told_milliseconds(&aio_pika, format!("rebind {times}"), times);
    let title = "W6 a key that a listener takes, and gives up";
    let contest = Contest::new(title, &["ms"], "qa-amqp", through_ours)
        .beside("bare driver", &[AS_BARE_TIME], through_bare)
        .beside("aio-pika", &[NO_LONGER], line);
    bench.hold(contest).await?;
    bench.hold(markets(bench, &resource, &bare, &aio_pika)).await?;
    bare.close().await?;
    resource.close(GOODBYE).await;
    Ok(())
}

/// Somebody who listens to a whole market, comes and goes.
fn markets(
    bench: &Bench,
    resource: &Resource<RabbitMq>,
    bare: &Arc<Bare>,
    aio_pika: &Arc<Mutex<Child>>,
) -> Contest {
    let keys = bench.pick(50, 5_000);
    let through_ours = rate(keys, {
        let resource = resource.clone();
        move || {
            let resource = resource.clone();
            async move { all_through_ours(&resource, keys).await }
        }
    });
    let one_by_one = rate(keys, {
        let bare = Arc::clone(bare);
        move || {
            let bare = Arc::clone(&bare);
            async move { bare.all(keys).await }
        }
    });
    let line = told(aio_pika, format!("market {keys}"), keys);
    let title = "W6 a listener to all of a market, who comes and goes";
    Contest::new(title, &["keys/s"], "qa-amqp", through_ours)
        .rounds_at_most(10)
        .beside("bare driver, one by one", &[NO_SLOWER], one_by_one)
        .beside("aio-pika", &[NO_SLOWER], line)
}

async fn all_through_ours(resource: &Resource<RabbitMq>, keys: usize) -> Result<Duration> {
    let began = Instant::now();
    let ignore = |_: Delivery| async { Ok::<_, Infallible>(()) };
    let exchange = Exchange::direct("ticks-ours");
    let subscriber = Subscriber::start(resource, exchange, (0..keys).map(stock), ignore).await?;
    subscriber.unsubscribe().await?;
    Ok(began.elapsed())
}

/// What nothing is published under.
fn stock(number: usize) -> String {
    format!("stock-{number}")
}

/// The keys of a listener: each key has seven listeners, or eight.
fn keys(listener: usize) -> impl Iterator<Item = String> {
    (0..EACH).map(move |at| key(listener * EACH + at))
}

fn key(tick: usize) -> String {
    format!("key-{}", tick % KEYS)
}

/// How many deliveries have come, of those that are waited for.
#[derive(Default)]
struct Tally {
    count: AtomicUsize,
    goal: AtomicUsize,
    reached: Notify,
}

impl Tally {
    fn begin(&self, goal: usize) {
        self.count.store(0, Ordering::Relaxed);
        self.goal.store(goal, Ordering::Release);
    }

    fn note(&self) {
        let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        if count == self.goal.load(Ordering::Acquire) {
            self.reached.notify_one();
        }
    }

    async fn all(&self) -> Result<()> {
        let all = timeout(LIMIT, self.reached.notified()).await;
        all.with_context(|| format!("{} came within {LIMIT:?}", self.count.load(Ordering::Acquire)))
    }
}

struct Ours {
    publisher: ExchangePublisher,
    subscribers: Vec<Subscriber>,
    tally: Arc<Tally>,
}

impl Ours {
    async fn listen(resource: &Resource<RabbitMq>) -> Result<Self> {
        let (tally, exchange) = (Arc::new(Tally::default()), Exchange::direct("ticks-ours"));
        let publisher = ExchangePublisher::start(resource, exchange.clone()).await?;
        let mut subscribers = Vec::new();
        for listener in 0..LISTENERS {
            let tally = Arc::clone(&tally);
            let note = move |_: Delivery| {
                tally.note();
                async { Ok::<_, Infallible>(()) }
            };
            let (exchange, keys) = (exchange.clone(), keys(listener));
            let subscriber = Subscriber::start(resource, exchange, keys, note).await?;
            timeout(LIMIT, subscriber.consuming()).await?;
            subscribers.push(subscriber);
        }
        Ok(Self { publisher, subscribers, tally })
    }

    async fn round(&self, ticks: usize, deliveries: usize) -> Result<Duration> {
        self.tally.begin(deliveries);
        let began = Instant::now();
        for tick in 0..ticks {
            self.publisher.publish_and_forget(&key(tick), &[0; SIZE]).await?;
        }
        self.tally.all().await?;
        Ok(began.elapsed())
    }

    async fn rebind(&self, times: usize) -> Result<Duration> {
        let listener = self.subscribers.first().context("nobody listens")?;
        in_line(times, || async {
            listener.bind(SPARE).await?;
            Ok(listener.unbind(SPARE).await?)
        })
        .await
    }
}

/// With the bare driver: a connection to publish and one to listen, as ours has, and a channel for each
/// listener.
struct Bare {
    publishing: Connection,
    listening: Connection,
    publisher: Channel,
    /// A listener's channel and the queue of its own.
    first: (Channel, ShortString),
    tally: Arc<Tally>,
}

const EXCHANGE: &str = "ticks-bare";

impl Bare {
    async fn listen(url: &str) -> Result<Self> {
        let (publishing, listening) = (bare::rabbit(url).await?, bare::rabbit(url).await?);
        let publisher = publishing.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let nothing = FieldTable::default;
        let kind = ExchangeKind::Direct;
        publisher.exchange_declare(EXCHANGE.into(), kind, durable, nothing()).await?;
        let (tally, mut first) = (Arc::new(Tally::default()), None);
        for listener in 0..LISTENERS {
            let channel = listening.create_channel().await?;
            channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
            let queue = own_queue(&channel).await?;
            for key in keys(listener) {
                bind(&channel, &queue, &key).await?;
            }
            let options = BasicConsumeOptions::default();
            let consumer =
                channel.basic_consume(queue.clone(), "".into(), options, nothing()).await?;
            // It ends with its connection.
            tokio::spawn(acknowledge(consumer, Arc::clone(&tally)));
            first.get_or_insert((channel, queue));
        }
        let first = first.context("nobody listens")?;
        Ok(Self { publishing, listening, publisher, first, tally })
    }

    async fn round(&self, ticks: usize, deliveries: usize) -> Result<Duration> {
        self.tally.begin(deliveries);
        let began = Instant::now();
        for tick in 0..ticks {
            let (key, options) = (key(tick), BasicPublishOptions::default());
            let properties = BasicProperties::default();
            let sent = self.publisher.basic_publish(
                EXCHANGE.into(),
                key.into(),
                options,
                &[0; SIZE],
                properties,
            );
            drop(sent.await?);
        }
        self.tally.all().await?;
        Ok(began.elapsed())
    }

    async fn rebind(&self, times: usize) -> Result<Duration> {
        let (channel, queue) = &self.first;
        in_line(times, || async {
            bind(channel, queue, SPARE).await?;
            let (exchange, key) = (EXCHANGE.into(), SPARE.into());
            let nothing = FieldTable::default();
            Ok(channel.queue_unbind(queue.clone(), exchange, key, nothing).await?)
        })
        .await
    }

    async fn all(&self, keys: usize) -> Result<Duration> {
        let began = Instant::now();
        let channel = self.listening.create_channel().await?;
        let queue = own_queue(&channel).await?;
        for key in (0..keys).map(stock) {
            bind(&channel, &queue, &key).await?;
        }
        channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
        channel.close(200, "done".into()).await?;
        Ok(began.elapsed())
    }

    async fn close(&self) -> Result<()> {
        self.listening.close(200, "done".into()).await?;
        Ok(self.publishing.close(200, "done".into()).await?)
    }
}

/// A queue that the broker names, and that ends with its connection.
async fn own_queue(channel: &Channel) -> Result<ShortString> {
    let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?;
    Ok(queue.name().clone())
}

async fn bind(channel: &Channel, queue: &ShortString, key: &str) -> Result<()> {
    let options = QueueBindOptions::default();
    let (exchange, nothing) = (EXCHANGE.into(), FieldTable::default());
    Ok(channel.queue_bind(queue.clone(), exchange, key.into(), options, nothing).await?)
}

async fn acknowledge(mut consumer: Consumer, tally: Arc<Tally>) {
    while let Some(Ok(delivery)) = consumer.next().await {
        tally.note();
        if delivery.ack(BasicAckOptions::default()).await.is_err() {
            return;
        }
    }
}

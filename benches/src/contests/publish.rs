//! B5: confirmed publishes, so many outstanding.

use super::{AS_BARE, GOODBYE, NO_SLOWER, bare, broker};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::contest::{Contest, Doing, Party, number, rate, told};
use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use qa_pool::amqp::lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use qa_pool::amqp::lapin::types::FieldTable;
use qa_pool::amqp::lapin::{BasicProperties, Channel, Connection};
use qa_pool::amqp::{Publisher, PublisherSettings};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The bytes of an order.
const SIZE: usize = 457;

/// Each has so many outstanding at the most, which a broker confirms together.
const WINDOW: usize = 512;

/// Of ours and of the bare driver.
const OURS: &str = "bench-ours";
const BARE: &str = "bench-bare";

const PEERS: [(&str, &[Budget]); 3] =
    [("deadpool-lapin", &[NO_SLOWER]), ("bb8-lapin", &[NO_SLOWER]), ("amqprs", &[])];

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    let (url, ours) = broker(bench, "bench-publish").await?;
    let connection = bare::rabbit(&url).await?;
    let channel = confirming(&connection, BARE).await?;
    // For the queue, and to empty it.
    let aside = confirming(&connection, OURS).await?;
    let settings = PublisherSettings { window: WINDOW, ..PublisherSettings::default() };
    let publisher = Publisher::new(&ours, settings);
    let mut peers = Vec::new();
    for (name, budgets) in PEERS {
        peers.push((name, budgets, bench.peer(name, &url).await?));
    }
    let (alone, many) = (bench.pick(10, 200), bench.pick(200, 5_000));
    for (window, messages) in [(1, alone), (WINDOW, many)] {
        let through_ours = rate(messages, {
            let (publisher, aside) = (publisher.clone(), aside.clone());
            move || ours_round(publisher.clone(), aside.clone(), messages, window)
        });
        let through_bare = rate(messages, {
            let channel = channel.clone();
            move || bare_round(channel.clone(), messages, window)
        });
        let amount = u32::try_from(window)?;
        let mut contest =
            Contest::new("persistent, confirmed", &["messages/s"], "qa-amqp", through_ours)
                .at("outstanding", amount)
                .beside("bare driver", &[AS_BARE], through_bare);
        for (name, budgets, child) in &peers {
            // A pool opens a channel for each message: fewer are enough.
            let messages = if *name == "amqprs" { messages } else { messages.div_ceil(5) };
            let line = format!("publish {messages} {window}");
            contest = contest.beside(name, budgets, told(child, line, messages));
        }
        bench.hold(contest).await?;
    }
    let through_ours = processor(many, {
        let aside = aside.clone();
        move || ours_round(publisher.clone(), aside.clone(), many, WINDOW)
    });
    let through_bare = processor(many, move || bare_round(channel.clone(), many, WINDOW));
    let contest = Contest::new(
        "persistent, confirmed, the processor's time",
        &["µs"],
        "qa-amqp",
        through_ours,
    )
    .beside("bare driver", &[], through_bare);
    bench.hold(contest).await?;
    ours.close(GOODBYE).await;
    connection.close(200, "done".into()).await?;
    Ok(())
}

/// A party whose function does so many things: microseconds that this process computed, for each.
fn processor<F, Fut>(things: usize, mut work: F) -> impl Party + 'static
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Duration>> + Send + 'static,
{
    Doing(move || {
        let round = work();
        async move {
            let before = computed()?;
            round.await?;
            let computed = computed()?.saturating_sub(before);
            Ok(vec![computed.as_secs_f64() * 1e6 / number(things)])
        }
    })
}

/// What the threads of this process have computed so far.
fn computed() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

/// A channel in confirm mode, and its queue.
pub(super) async fn confirming(connection: &Connection, queue: &str) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// What ours gives a message: it is persistent, and has an id.
fn properties() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2).with_message_id("0123456789abcdef-1234".into())
}

/// One message, confirmed.
pub(super) async fn publish_bare(channel: &Channel, queue: &str) -> Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let sent =
        channel.basic_publish("".into(), queue.into(), options, &[0; SIZE], properties()).await?;
    ensure!(sent.await?.is_ack(), "the broker did not take it");
    Ok(())
}

/// The same through ours.
pub(super) async fn publish_ours(publisher: &Publisher, queue: &str) -> Result<()> {
    drop(publisher.publish("", queue, &[0; SIZE], BasicProperties::default()).await?);
    Ok(())
}

async fn ours_round(
    publisher: Publisher,
    aside: Channel,
    messages: usize,
    window: usize,
) -> Result<Duration> {
    aside.queue_purge(OURS.into(), QueuePurgeOptions::default()).await?;
    let began = Instant::now();
    let publish = |_| publish_ours(&publisher, OURS);
    stream::iter(0..messages).map(publish).buffer_unordered(window).try_collect::<()>().await?;
    Ok(began.elapsed())
}

async fn bare_round(channel: Channel, messages: usize, window: usize) -> Result<Duration> {
    channel.queue_purge(BARE.into(), QueuePurgeOptions::default()).await?;
    let began = Instant::now();
    let publish = |_| publish_bare(&channel, BARE);
    stream::iter(0..messages).map(publish).buffer_unordered(window).try_collect::<()>().await?;
    Ok(began.elapsed())
}

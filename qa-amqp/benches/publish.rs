//! Confirmed publishes, with so many outstanding, through our publisher and through a bare loop of
//! the driver: throughput side by side, in rounds that alternate so that a busy machine slows both
//! alike, into a queue that is empty each time. And one at a time, for what a window is worth. Both
//! publish the same: persistent, mandatory, with an id, which costs the broker something.
//!
//! `cargo bench -p qa-amqp --bench publish`

use futures_util::{StreamExt, stream};
use qa_amqp::lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use qa_amqp::lapin::types::FieldTable;
use qa_amqp::lapin::{BasicProperties, Channel};
use qa_amqp::{Publisher, PublisherSettings, RabbitMq};
use qa_resource_core::{Resource, Settings, Target};
use qa_servers::{Server, System};
use std::time::Instant;

const QUEUE: &str = "bench";
const MESSAGES: usize = 5_000;
const ONE_BY_ONE: usize = 500;
const WINDOW: usize = 512;
const ROUNDS: usize = 31;

/// The bytes of an order.
const SIZE: usize = 457;

#[tokio::main]
async fn main() {
    // In a task, where services publish from: what `main` awaits itself is polled by a thread that
    // does nothing else, and must be woken for each answer.
    tokio::spawn(side_by_side()).await.unwrap();
}

async fn side_by_side() {
    let server = Server::start(System::RabbitMq).await.unwrap();
    let url = server.vhost("bench").await.unwrap();
    let backend = RabbitMq::new(&Target::parse("bench", &url).unwrap()).unwrap();
    let resource = Resource::new("bench", backend, Settings::default());
    resource.connect().await.unwrap();
    let channel = bare(&resource).await;
    let settings = PublisherSettings { window: WINDOW, ..PublisherSettings::default() };
    let publisher = Publisher::new(&resource, settings);

    let mut rates: [Vec<f64>; 4] = Default::default();
    for round in 0..=ROUNDS {
        // Who is first changes from round to round.
        for turn in if round % 2 == 0 { [0, 1, 2, 3] } else { [1, 0, 3, 2] } {
            channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await.unwrap();
            let rate = match turn {
                0 => through_the_driver(&channel, MESSAGES, WINDOW).await,
                1 => through_ours(&publisher, MESSAGES, WINDOW).await,
                2 => through_the_driver(&channel, ONE_BY_ONE, 1).await,
                _ => through_ours(&publisher, ONE_BY_ONE, 1).await,
            };
            // The first round is to warm up.
            if round > 0 {
                rates[turn].push(rate);
            }
        }
    }
    let [bare, ours, bare_alone, ours_alone] = rates.map(median);
    println!("persistent, confirmed, {SIZE} bytes, median of {ROUNDS} rounds, messages/s");
    println!("  outstanding   bare driver   qa-amqp   ratio");
    println!("  {WINDOW:>11}   {bare:>11.0}   {ours:>7.0}   {:.3}", ours / bare);
    let ratio = ours_alone / bare_alone;
    println!("  {:>11}   {bare_alone:>11.0}   {ours_alone:>7.0}   {ratio:.3}", 1);
    resource.close(std::time::Duration::from_secs(10)).await;
    server.remove().await;
}

/// A channel in confirm mode on a connection of the same kind.
async fn bare(resource: &Resource<RabbitMq>) -> Channel {
    let lease = resource.acquire().await.unwrap();
    let channel = lease.publishing().create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

async fn through_the_driver(channel: &Channel, messages: usize, window: usize) -> f64 {
    let began = Instant::now();
    let publish = |_| async move {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let properties = properties.with_message_id("0123456789abcdef-1234".into());
        let sent =
            channel.basic_publish("".into(), QUEUE.into(), options, &[0; SIZE], properties).await;
        assert!(sent.unwrap().await.unwrap().is_ack());
    };
    stream::iter(0..messages).map(publish).buffer_unordered(window).count().await;
    rate(messages, began)
}

async fn through_ours(publisher: &Publisher, messages: usize, window: usize) -> f64 {
    let began = Instant::now();
    let publish = |_| async move {
        let sent = publisher.publish("", QUEUE, &[0; SIZE], BasicProperties::default()).await;
        let _ = sent.unwrap();
    };
    stream::iter(0..messages).map(publish).buffer_unordered(window).count().await;
    rate(messages, began)
}

fn rate(messages: usize, began: Instant) -> f64 {
    f64::from(u32::try_from(messages).unwrap()) / began.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

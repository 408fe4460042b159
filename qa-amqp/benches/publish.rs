//! Confirmed publishes, with so many outstanding, through our publisher and through a bare loop of
//! the driver: throughput side by side, in rounds that alternate so that a busy machine slows both
//! alike, into a queue that is empty each time. And one at a time, for what a window is worth. Both
//! publish the same: persistent, mandatory, with an id, which costs the broker something.
//!
//! A ratio is the median of the rounds' own ratios, with its quartiles: what slows a round slows both.
//! The time of this process's threads for each message hardly depends on the broker.
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
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

const QUEUE: &str = "bench";
const MESSAGES: usize = 2_000;
const ONE_BY_ONE: usize = 100;
const WINDOW: usize = 512;
const ROUNDS: usize = 201;

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

    let mut turns: [Vec<Pace>; 4] = Default::default();
    for round in 0..=ROUNDS {
        // Who is first changes from round to round.
        for turn in if round % 2 == 0 { [0, 1, 2, 3] } else { [1, 0, 3, 2] } {
            channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await.unwrap();
            let pace = match turn {
                0 => through_the_driver(&channel, MESSAGES, WINDOW).await,
                1 => through_ours(&publisher, MESSAGES, WINDOW).await,
                2 => through_the_driver(&channel, ONE_BY_ONE, 1).await,
                _ => through_ours(&publisher, ONE_BY_ONE, 1).await,
            };
            // The first round is to warm up.
            if round > 0 {
                turns[turn].push(pace);
            }
        }
    }
    let [bare, ours, bare_alone, ours_alone] = &turns;
    println!("persistent, confirmed, {SIZE} bytes, median of {ROUNDS} rounds");
    println!("               bare driver            qa-amqp                ratio of messages/s");
    println!("  outstanding  messages/s  CPU each   messages/s  CPU each   median (quartiles)");
    line(WINDOW, bare, ours);
    line(1, bare_alone, ours_alone);
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

async fn through_the_driver(channel: &Channel, messages: usize, window: usize) -> Pace {
    let began = Began::now();
    let publish = |_| async move {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let properties = properties.with_message_id("0123456789abcdef-1234".into());
        let sent =
            channel.basic_publish("".into(), QUEUE.into(), options, &[0; SIZE], properties).await;
        assert!(sent.unwrap().await.unwrap().is_ack());
    };
    stream::iter(0..messages).map(publish).buffer_unordered(window).count().await;
    began.pace(messages)
}

async fn through_ours(publisher: &Publisher, messages: usize, window: usize) -> Pace {
    let began = Began::now();
    let publish = |_| async move {
        let sent = publisher.publish("", QUEUE, &[0; SIZE], BasicProperties::default()).await;
        let _ = sent.unwrap();
    };
    stream::iter(0..messages).map(publish).buffer_unordered(window).count().await;
    began.pace(messages)
}

/// How fast it went.
struct Pace {
    /// Messages in a second.
    rate: f64,
    /// Seconds that this process computed for each message.
    cpu: f64,
}

struct Began {
    at: Instant,
    cpu: Duration,
}

impl Began {
    fn now() -> Self {
        Self { at: Instant::now(), cpu: computed() }
    }

    fn pace(&self, messages: usize) -> Pace {
        let (took, computed) = (self.at.elapsed(), computed().saturating_sub(self.cpu));
        let messages = f64::from(u32::try_from(messages).unwrap());
        Pace { rate: messages / took.as_secs_f64(), cpu: computed.as_secs_f64() / messages }
    }
}

/// What the threads of this process have computed so far.
fn computed() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

fn line(outstanding: usize, bare: &[Pace], ours: &[Pace]) {
    let middle = |of: &dyn Fn(&Pace) -> f64, paces: &[Pace]| part(paces.iter().map(of), 0.5);
    let rate = |paces| middle(&|pace| pace.rate, paces);
    let cpu = |paces| middle(&|pace| pace.cpu * 1e6, paces);
    let ratios = || bare.iter().zip(ours).map(|(bare, ours)| ours.rate / bare.rate);
    let [low, ratio, high] = [0.25, 0.5, 0.75].map(|share| part(ratios(), share));
    println!(
        "  {outstanding:>11}  {:>10.0}  {:>5.1} µs   {:>10.0}  {:>5.1} µs   {ratio:.3} ({low:.3} to {high:.3})",
        rate(bare),
        cpu(bare),
        rate(ours),
        cpu(ours),
    );
}

/// The value that this share of all is below.
fn part(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = f64::from(u32::try_from(values.len() - 1).unwrap());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an index")]
    let at = (last * share).round() as usize;
    values[at]
}

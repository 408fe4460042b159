//! E10: a broker that is short of memory, under publishers and consumers.

use super::{Broker, PATIENCE};
use crate::passing::until;
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::{RabbitMq, Rig, eventually};
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{
    Consumer, ConsumerSettings, PublishError, Publisher, PublisherSettings, Queue, Topology,
};
use qa_pool::{ErrorKind, Health};
use std::convert::Infallible;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

const QUEUE: &str = "alarmed";

/// What a publish may take.
const LIMIT: Duration = Duration::from_secs(2);

/// How long one message is worked on, so that there is a rate to keep.
const WORK: Duration = Duration::from_millis(20);

/// What a publish came to.
struct Published {
    due: Instant,
    took: Duration,
    error: Option<PublishError>,
}

/// Raises the alarm under load, and clears it.
pub(crate) async fn alarm(run: Run) -> Vec<Figure> {
    let lasts = Duration::from_secs(run.pick(4, 20));
    let broker = Broker::start(run.against).await;
    let rig = broker.rig("alarm", Topology::new().queue(Queue::new(QUEUE))).await;
    let settings = PublisherSettings { limit: LIMIT, ..PublisherSettings::default() };
    let publisher = Publisher::new(&rig.group, settings);
    let backlog = run.pick(2_000, 10_000);
    fill(&publisher, backlog).await;
    let settings = ConsumerSettings { concurrency: 4, ..ConsumerSettings::new(QUEUE) };
    let consumer = Consumer::start(&rig.group, settings, |_| async {
        sleep(WORK).await;
        Ok::<_, Infallible>(())
    });
    consumer.consuming().await;
    let handled = || consumer.stats().handled;

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load = tokio::spawn(publish(publisher.clone(), stopped));
    let calm = rate(handled, lasts / 4).await;
    run.progress(&format!("the alarm is on for {lasts:?}"));
    let began = Instant::now();
    let node = &broker.nodes()[0];
    let (raised, told) = tokio::join!(node.raise_alarm(), becomes(&rig, Health::Degraded, began));
    raised.unwrap();
    let under_alarm = rate(handled, lasts).await;
    let cleared_at = Instant::now();
    let (cleared, over) = tokio::join!(node.clear_alarm(), becomes(&rig, Health::Up, cleared_at));
    cleared.unwrap();
    until(Instant::now() + LIMIT).await;
    stop.send_replace(true);
    let ends = timeout(PATIENCE, load).await.expect("every publish ends").unwrap();

    let took: Vec<_> = ends.iter().map(|one| one.took).collect();
    let during = |one: &&Published| one.due > began && one.due + one.took < cleared_at;
    let failed: Vec<_> = ends.iter().filter(during).filter_map(|one| one.error.as_ref()).collect();
    let typed = failed.iter().filter(|error| is_typed(error)).count();
    let kept = under_alarm / calm * 100.0;
    consumer.stop().await.unwrap();
    rig.close().await;
    broker.remove().await;
    vec![
        Figure::seconds("told as degraded after", &[told]).at_most(1.0),
        Figure::seconds("told as up again after", &[over]).at_most(1.0),
        Figure::seconds("a publish's end", &took).at_most(LIMIT.as_secs_f64() + 0.25),
        Figure::share("failures that name the alarm or may be in the queue", typed, failed.len())
            .is(100.0),
        Figure::new("consumers' rate under the alarm", "%", &[kept]).at_least(95.0),
    ]
}

async fn fill(publisher: &Publisher, messages: usize) {
    let message = |_| qa_pool::amqp::Publishing::new("", QUEUE, vec![0; 100]);
    for published in publisher.publish_all((0..messages).map(message)).await {
        let _ = published.unwrap();
    }
}

/// One publish every 50 ms, whatever becomes of the others.
async fn publish(
    publisher: Publisher,
    stopped: tokio::sync::watch::Receiver<bool>,
) -> Vec<Published> {
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut running, mut ended) = (JoinSet::new(), Vec::new());
    while !*stopped.borrow() {
        let due = ticks.tick().await;
        let publisher = publisher.clone();
        running.spawn(async move {
            let sent = publisher.publish("", QUEUE, b"x", BasicProperties::default()).await;
            Published { due, took: due.elapsed(), error: sent.err() }
        });
        while let Some(one) = running.try_join_next() {
            ended.push(one.unwrap());
        }
    }
    ended.extend(running.join_all().await);
    ended
}

/// Those that were on their way when the alarm came are in the queue, or not: nobody says. The
/// others have not been sent, and name the alarm.
fn is_typed(error: &PublishError) -> bool {
    match error {
        PublishError::NotSent(error) => error.kind() == ErrorKind::Overloaded,
        PublishError::Unknown(_) => true,
        _ => false,
    }
}

async fn becomes(rig: &Rig<RabbitMq>, health: Health, since: Instant) -> Duration {
    eventually("the health changes", PATIENCE, async || rig.group.health().health == health).await;
    since.elapsed()
}

/// Messages handled per second for so long.
#[expect(clippy::cast_precision_loss, reason = "counts of messages are far below 2^52")]
async fn rate(handled: impl Fn() -> u64, time: Duration) -> f64 {
    let (before, began) = (handled(), Instant::now());
    until(began + time).await;
    (handled() - before) as f64 / began.elapsed().as_secs_f64()
}

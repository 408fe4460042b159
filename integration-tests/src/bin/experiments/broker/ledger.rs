//! E6: whether a message that was confirmed is ever lost, and one that was not ever found.

use super::fault::Fault;
use super::{Broker, PATIENCE};
use crate::passing::until;
use crate::run::Run;
use crate::steady::Steady;
use integration_tests::experiment::Figure;
use integration_tests::{RabbitMq, Rig, eventually};
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{
    Consumer, ConsumerSettings, Delivery, PublishError, Publisher, PublisherSettings, Queue,
    Topology,
};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const QUEUE: &str = "ledger";

/// Between two faults, at the most; at random.
const BETWEEN: Duration = Duration::from_secs(2);

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Confirmed,
    Unknown,
    /// Returned, refused or not sent: it must not be found.
    Not,
    /// It did not end.
    Hangs,
}

/// Publishes many messages under faults, and compares what is in the queue with what was said.
pub(crate) async fn no_loss(run: Run) -> Vec<Figure> {
    let (messages, faults) = (run.pick(2_000, 50_000), run.pick(5, 30));
    let broker = Broker::start(run.against).await;
    let rig = broker.rig("ledger", Topology::new().queue(Queue::quorum(QUEUE))).await;
    broker.replicated(QUEUE).await;

    let publisher = Publisher::new(&rig.group, PublisherSettings::default());
    run.progress(&format!("{messages} messages, {faults} faults"));
    let (done, over) = tokio::sync::watch::channel(false);
    let striking = async {
        for number in 0..faults {
            until(Instant::now() + BETWEEN.mul_f64(fastrand::f64())).await;
            let fault = Fault::ALL[number % Fault::ALL.len()];
            run.progress(&format!("fault {} of {faults}: {fault:?}", number + 1));
            fault.strike(&broker, QUEUE).await;
        }
        done.send_replace(true);
    };
    let ((), ends) = tokio::join!(striking, publish(&publisher, messages, over));

    let received = receive(&rig, ends.len()).await;
    let figures = judge(&ends, &received, faults);
    rig.close().await;
    broker.remove().await;
    figures
}

/// Publishes each message once.
async fn publish(
    publisher: &Publisher,
    least: usize,
    over: tokio::sync::watch::Receiver<bool>,
) -> Vec<End> {
    let steady = Steady { at_once: 4, least, patience: PATIENCE };
    let begin = |number| {
        let publisher = publisher.clone();
        async move { once(&publisher, number).await }
    };
    steady.run(over, End::Hangs, begin).await
}

async fn once(publisher: &Publisher, number: usize) -> End {
    let payload = number.to_be_bytes();
    match publisher.publish("", QUEUE, &payload, BasicProperties::default()).await {
        Ok(_) => End::Confirmed,
        Err(PublishError::Unknown(_)) => End::Unknown,
        Err(_) => End::Not,
    }
}

/// How often each message was delivered until the queue was empty.
async fn receive(rig: &Rig<RabbitMq>, messages: usize) -> Vec<u32> {
    let received = Arc::new(Mutex::new(vec![0; messages]));
    let consumer = Consumer::start(&rig.group, ConsumerSettings::new(QUEUE), {
        let received = Arc::clone(&received);
        move |delivery: Delivery| {
            let number = usize::from_be_bytes(delivery.payload.try_into().unwrap());
            received.lock().unwrap()[number] += 1;
            async { Ok::<_, Infallible>(()) }
        }
    });
    eventually("the queue is empty", PATIENCE, async || {
        let lease = rig.group.acquire().await.unwrap();
        let left = lease.messages(QUEUE).await.unwrap_or(u32::MAX);
        left == 0 && consumer.is_idle()
    })
    .await;
    consumer.stop().await.unwrap();
    let received = received.lock().unwrap();
    received.clone()
}

fn judge(ends: &[End], received: &[u32], faults: usize) -> Vec<Figure> {
    let count = |end: End, found: fn(u32) -> bool| {
        ends.iter().zip(received).filter(|(one, times)| **one == end && found(**times)).count()
    };
    let all = |end| count(end, |_| true);
    let duplicates: u32 = received.iter().map(|times| times.saturating_sub(1)).sum();
    vec![
        Figure::count("confirmed and lost", count(End::Confirmed, |times| times == 0))
            .of(all(End::Confirmed))
            .is(0.0),
        Figure::count("found that must not be", count(End::Not, |times| times > 0))
            .of(all(End::Not))
            .is(0.0)
            .note("messages of which it was said that they are in no queue"),
        Figure::count("publishes that hang", all(End::Hangs)).of(ends.len()).is(0.0),
        Figure::share("confirmed", all(End::Confirmed), ends.len()),
        Figure::count("left unknown", all(End::Unknown)).of(ends.len()),
        Figure::count("of them found", count(End::Unknown, |times| times > 0))
            .of(all(End::Unknown)),
        Figure::count("delivered more than once", duplicates).of(ends.len()).note(
            "each message is published once; the broker delivers again what was not acknowledged \
             on a connection that was lost",
        ),
        Figure::count("faults", faults)
            .note("reset, cut midway, kill -9, closed by the broker, alarm, in turn"),
    ]
}

//! E9: whether all consumers are there after every loss.

use super::{Broker, PATIENCE};
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{RabbitMq, Rig, eventually, reaches};
use qa_pool::State;
use qa_pool::amqp::lapin::BasicProperties;
use qa_pool::amqp::{
    Binding, Consumer, ConsumerSettings, Exchange, Publisher, PublisherSettings, Queue, Topology,
};
use qa_servers::proxy::{FaultProxy, Faults};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const EXCHANGE: &str = "recovery";

/// How long the broker says nothing while consumers come back.
const STALL: Duration = Duration::from_millis(1500);

/// Deletes nobody should bring back.
const DELETED: &str = "deleted";

/// One queue with its consumer.
struct Place {
    queue: String,
    consumer: Consumer,
    handled: Arc<AtomicU64>,
}

/// What one loss was followed by.
struct After {
    /// From ready to the delivery of a message on every queue.
    resumed: Duration,
    missing: usize,
    doubled: usize,
    lies: usize,
}

/// Loses all connections again and again, and counts consumers at the broker.
pub(crate) async fn recovery(run: Run) -> Vec<Figure> {
    let (queues, losses) = (run.pick(10, 100), run.pick(4, 50));
    let broker = Broker::start(run.against).await;
    let named = |nth: usize| format!("recovery-{nth}");
    // Every third is named by the broker, and belongs to the connection.
    let queue = |nth: usize| match nth % 3 {
        0 => Queue::server_named(named(nth)),
        _ => Queue::new(named(nth)),
    };
    let topology = (0..queues)
        .fold(Topology::new().exchange(Exchange::direct(EXCHANGE)), |all, nth| {
            all.queue(queue(nth)).bind(Binding::queue(named(nth), EXCHANGE, named(nth)))
        });
    let rig = broker.rig("recovery", topology.queue(Queue::new(DELETED))).await;
    rig.group.run_idempotent(async |lease| lease.delete_queue(DELETED).await).await.unwrap();
    let places: Vec<_> = (0..queues).map(|nth| place(&rig, named(nth))).collect();
    join_all(places.iter().map(|place| place.consumer.consuming())).await;
    let publisher = Publisher::new(&rig.group, PublisherSettings::default());

    let mut seen = Vec::new();
    for loss in 1..=losses {
        run.progress(&format!("loss {loss} of {losses}"));
        lose(&broker, &rig, loss).await;
        seen.push(look(&rig, &publisher, &places).await);
    }
    let risen = rig.group.run_idempotent(async |lease| lease.messages(DELETED).await).await.is_ok();
    let doubled: usize = seen.iter().map(|after| after.doubled).sum();
    let resumed: Vec<_> = seen.iter().map(|after| after.resumed).collect();
    let (missing, lies) = (
        seen.iter().map(|after| after.missing).sum::<usize>(),
        seen.iter().map(|after| after.lies).sum::<usize>(),
    );
    drop(places);
    rig.close().await;
    broker.remove().await;
    vec![
        Figure::seconds("delivered again after", &resumed)
            .p99_at_most(2.0)
            .note("from ready until a message was delivered on every queue"),
        Figure::count("queues without exactly one consumer", missing).of(queues * losses).is(0.0),
        Figure::count("messages delivered twice", doubled).of(queues * losses).is(0.0),
        Figure::count("said to consume, and did not", lies).of(queues * losses).is(0.0),
        Figure::count("deleted queues that came back", usize::from(risen)).is(0.0),
    ]
}

fn place(rig: &Rig<RabbitMq>, queue: String) -> Place {
    let handled = Arc::new(AtomicU64::new(0));
    let consumer = Consumer::start(&rig.group, ConsumerSettings::new(&*queue), {
        let handled = Arc::clone(&handled);
        move |_| {
            handled.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Infallible>(()) }
        }
    });
    Place { queue, consumer, handled }
}

/// Ends all connections: by the broker, by a reset, by a cut of which the way back is silent for a
/// while, in turn.
async fn lose(broker: &Broker, rig: &Rig<RabbitMq>, loss: usize) {
    let generation = rig.status().generation;
    match loss % 3 {
        0 => {
            eventually("the broker closes them", PATIENCE, async || {
                broker.close_connections().await;
                rig.status().generation > generation
            })
            .await;
        }
        1 => broker.proxies.iter().for_each(FaultProxy::reset),
        _ => {
            broker.proxies.iter().for_each(FaultProxy::cut);
            eventually("it is ready again", PATIENCE, async || {
                rig.status().generation > generation
            })
            .await;
            // In the middle of its consumers' coming back.
            broker.proxies.iter().for_each(|proxy| {
                proxy.change(|faults| faults.to_client.silent = true);
            });
            crate::passing::until(Instant::now() + STALL).await;
            broker.proxies.iter().for_each(|proxy| proxy.set(Faults::default()));
        }
    }
    eventually("it was lost", PATIENCE, async || rig.status().generation > generation).await;
    reaches(&rig.group, State::Ready, PATIENCE).await;
}

/// Publishes a message to every queue and sees who is given it.
async fn look(rig: &Rig<RabbitMq>, publisher: &Publisher, places: &[Place]) -> After {
    let before: Vec<_> = places.iter().map(|place| place.handled.load(Ordering::Relaxed)).collect();
    let given = |place: &Place, before: &u64| place.handled.load(Ordering::Relaxed) - before;
    let began = Instant::now();
    let publish = |place: &Place| {
        let key = place.queue.clone();
        async move {
            let properties = BasicProperties::default();
            publisher.publish_until_confirmed(EXCHANGE, &key, b"x", properties, PATIENCE).await
        }
    };
    for published in join_all(places.iter().map(publish)).await {
        let _ = published.unwrap();
    }
    eventually("a delivery on every queue", PATIENCE, async || {
        places.iter().zip(&before).all(|(place, before)| given(place, before) > 0)
    })
    .await;
    let resumed = began.elapsed();
    let doubled = places.iter().zip(&before).filter(|(place, before)| given(place, before) > 1);
    let doubled = doubled.count();
    let counts = rig.group.run_idempotent(async |lease| {
        let mut counts = Vec::new();
        for place in places {
            counts.push((lease.consumers(&place.queue).await?, place.consumer.is_consuming()));
        }
        Ok(counts)
    });
    let counts = counts.await.unwrap();
    let missing = counts.iter().filter(|(count, _)| *count != 1).count();
    let lies = counts.iter().filter(|(count, consuming)| *consuming && *count == 0).count();
    After { resumed, missing, doubled, lies }
}

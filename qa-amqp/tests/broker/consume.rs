//! Consuming that comes back, acknowledges what succeeded, and stops gracefully.

use crate::management::close_connections;
use crate::support::{
    PATIENCE, backend, close, depth, no_properties, nothing_is_left, number, patient,
    publish_numbers, publisher, shared, vhost, with_bars,
};
use qa_amqp::lapin::options::QueueDeleteOptions;
use qa_amqp::lapin::types::AMQPValue;
use qa_amqp::{Consumer, ConsumerSettings, Delivery, OnError, Queue, RabbitMq, Topology};
use qa_resource_core::Resource;
use qa_servers::testing::eventually;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How often each number was seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<u32, u32>>>);

impl Seen {
    fn note(&self, delivery: &Delivery) {
        *self.0.lock().unwrap().entry(number(&delivery.payload)).or_default() += 1;
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn counts(&self) -> Vec<(u32, u32)> {
        self.0.lock().unwrap().iter().map(|(number, times)| (*number, *times)).collect()
    }

    fn consumer(&self, resource: &Resource<RabbitMq>) -> Consumer {
        let seen = self.clone();
        Consumer::start(resource, ConsumerSettings::new("bars"), move |delivery| {
            seen.note(&delivery);
            async { Ok::<_, Infallible>(()) }
        })
    }
}

async fn consuming(consumer: &Consumer) {
    tokio::time::timeout(PATIENCE, consumer.consuming()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_handled_once_and_acknowledged() {
    let url = vhost("consumed").await;
    let resource = with_bars(&url).await;
    let seen = Seen::default();
    let consumer = seen.consumer(&resource);
    publish_numbers(&publisher(&resource), 0..1_000).await;
    eventually("all are acknowledged", PATIENCE, async || consumer.stats().handled == 1_000).await;
    assert_eq!(seen.counts(), (0..1_000).map(|number| (number, 1)).collect::<Vec<_>>());
    consumer.stop().await.unwrap();
    nothing_is_left(&resource).await;
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_handlers_run_at_once_than_is_allowed() {
    let url = vhost("concurrency").await;
    let resource = with_bars(&url).await;
    publish_numbers(&publisher(&resource), 0..200).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let settings = ConsumerSettings { concurrency: 3, ..ConsumerSettings::new("bars") };
    let consumer = Consumer::start(&resource, settings, {
        let most = Arc::clone(&most);
        move |_| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            }
        }
    });
    eventually("all are handled", PATIENCE, async || consumer.stats().handled == 200).await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
    drop(consumer);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_fails_or_panics_gets_its_message_again_and_rejected_ones_go_away() {
    let url = vhost("failing").await;
    let resource = with_bars(&url).await;
    let attempts = Arc::new(AtomicU32::new(0));
    let settings = ConsumerSettings {
        requeue_delay: Duration::from_millis(1),
        ..ConsumerSettings::new("bars")
    };
    let consumer = Consumer::start(&resource, settings, {
        let attempts = Arc::clone(&attempts);
        move |delivery: Delivery| {
            let attempt = attempts.fetch_add(1, Ordering::SeqCst);
            async move {
                assert_eq!(delivery.redelivered, attempt > 0);
                assert_ne!(attempt, 1, "the second attempt panics");
                if attempt == 0 { Err("the first attempt fails") } else { Ok(()) }
            }
        }
    });
    publish_numbers(&publisher(&resource), 0..1).await;
    eventually("it is handled at last", PATIENCE, async || consumer.stats().handled == 1).await;
    assert_eq!((attempts.load(Ordering::SeqCst), consumer.stats().failed), (3, 2));
    consumer.stop().await.unwrap();

    let settings = ConsumerSettings { on_error: OnError::Reject, ..ConsumerSettings::new("bars") };
    let consumer = Consumer::start(&resource, settings, |_| async { Err::<(), _>("never") });
    publish_numbers(&publisher(&resource), 0..10).await;
    eventually("all have failed", PATIENCE, async || consumer.stats().failed == 10).await;
    consumer.stop().await.unwrap();
    nothing_is_left(&resource).await;
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_from_its_beginning_by_each_consumer() {
    let url = vhost("stream").await;
    let backend = backend("t", &url).with_topology(Topology::new().queue(Queue::stream("bars")));
    let resource = Resource::new("t", backend, patient());
    resource.connect().await.unwrap();
    publish_numbers(&publisher(&resource), 0..10).await;
    for _ in 0..2 {
        let mut settings = ConsumerSettings { concurrency: 1, ..ConsumerSettings::new("bars") };
        let first = AMQPValue::LongString("first".into());
        settings.arguments.insert("x-stream-offset".into(), first);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let consumer = Consumer::start(&resource, settings, {
            let seen = Arc::clone(&seen);
            move |delivery| {
                seen.lock().unwrap().push(number(&delivery.payload));
                async { Ok::<_, Infallible>(()) }
            }
        });
        eventually("all are seen", PATIENCE, async || seen.lock().unwrap().len() == 10).await;
        consumer.stop().await.unwrap();
        assert_eq!(*seen.lock().unwrap(), (0..10).collect::<Vec<_>>());
    }
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_when_the_broker_closes_every_connection() {
    let url = vhost("closed").await;
    let resource = with_bars(&url).await;
    let seen = Seen::default();
    let consumer = seen.consumer(&resource);
    let publisher = publisher(&resource);
    publish_numbers(&publisher, 0..100).await;
    // The plugin's list lags behind by some seconds.
    let server = shared().await;
    eventually("both are closed", PATIENCE, async || {
        close_connections(server, "closed").await == 2
    })
    .await;
    eventually("it consumes anew", PATIENCE, async || consumer.stats().restarts > 0).await;
    let limit = Duration::from_secs(30);
    for number in 100..200_u32 {
        let payload = number.to_be_bytes();
        let publish =
            publisher.publish_until_confirmed("", "bars", &payload, no_properties(), limit);
        let _ = publish.await.unwrap();
    }
    eventually("all are seen", PATIENCE, async || seen.len() == 200).await;
    consuming(&consumer).await;
    let lease = resource.acquire().await.unwrap();
    assert!(lease.generation() > 1);
    assert_eq!(depth(&lease, "bars").await.1, 1, "exactly one consumer, no ghost");
    drop((lease, consumer, publisher));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_queue_that_is_missing_and_comes_back_when_it_is_made_anew() {
    let url = vhost("recreated").await;
    let resource = with_bars(&url).await;
    let seen = Seen::default();
    let consumer = seen.consumer(&resource);
    consuming(&consumer).await;
    let lease = resource.acquire().await.unwrap();
    let channel = lease.channel().await.unwrap();
    channel.queue_delete("bars".into(), QueueDeleteOptions::default()).await.unwrap();
    eventually("the cancel is seen", PATIENCE, async || !consumer.is_consuming()).await;
    lease.declare(Topology::new().queue(Queue::new("bars"))).await.unwrap();
    consuming(&consumer).await;
    publish_numbers(&publisher(&resource), 0..10).await;
    eventually("all are seen", PATIENCE, async || seen.len() == 10).await;
    assert_eq!(consumer.stats().restarts, 1);
    assert_eq!(lease.generation(), 1, "the connection was of no concern");
    drop((channel, lease, consumer));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_comes_after_its_connection_is_counted_and_delivered_again() {
    for concurrency in [3, 1] {
        acknowledges_too_late(concurrency).await;
    }
}

async fn acknowledges_too_late(concurrency: usize) {
    let url = vhost(&format!("stale-{concurrency}")).await;
    let resource = with_bars(&url).await;
    let (gate, redelivered) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let begun = Arc::new(AtomicUsize::new(0));
    let settings = ConsumerSettings { concurrency, ..ConsumerSettings::new("bars") };
    let consumer = Consumer::start(&resource, settings, {
        let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
        let redelivered = Arc::clone(&redelivered);
        move |delivery: Delivery| {
            begun.fetch_add(1, Ordering::SeqCst);
            redelivered.fetch_add(u32::from(delivery.redelivered), Ordering::SeqCst);
            let gate = Arc::clone(&gate);
            async move { gate.acquire().await.map(drop) }
        }
    });
    publish_numbers(&publisher(&resource), 0..3).await;
    let handlers_wait = async |count: usize| {
        eventually("handlers wait", PATIENCE, async || begun.load(Ordering::SeqCst) == count).await;
    };
    handlers_wait(concurrency).await;
    let mut watch = resource.watch();
    resource.reconnect();
    assert!(
        tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().is_some(),
        "another connection"
    );
    eventually("it consumes anew", PATIENCE, async || consumer.stats().restarts == 1).await;
    consuming(&consumer).await;
    gate.add_permits(100);
    eventually("all are answered", PATIENCE, async || consumer.stats().handled == 3).await;
    handlers_wait(3 + concurrency).await;
    assert_eq!(consumer.stats().stale_acks, concurrency as u64);
    assert_eq!(redelivered.load(Ordering::SeqCst), 3);
    drop(consumer);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_acknowledges_what_it_has_and_leaves_the_rest_untouched() {
    for concurrency in [4, 1] {
        stops_gracefully(concurrency).await;
    }
}

async fn stops_gracefully(concurrency: usize) {
    let url = vhost(&format!("graceful-{concurrency}")).await;
    let resource = with_bars(&url).await;
    publish_numbers(&publisher(&resource), 0..500).await;
    let seen = Seen::default();
    let settings = ConsumerSettings { prefetch: 20, concurrency, ..ConsumerSettings::new("bars") };
    let consumer = Consumer::start(&resource, settings, {
        let seen = seen.clone();
        move |delivery| {
            seen.note(&delivery);
            async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok::<_, Infallible>(())
            }
        }
    });
    eventually("it is in the middle", PATIENCE, async || consumer.stats().handled > 50).await;
    consumer.stop().await.unwrap();
    let stats = consumer.stats();
    assert_eq!((stats.handled, stats.stale_acks), (seen.len() as u64, 0));

    let lease = resource.acquire().await.unwrap();
    let left = 500 - u32::try_from(stats.handled).unwrap();
    assert!(left > 300, "it stopped: {left} are left");
    assert_eq!(depth(&lease, "bars").await, (left, 0));
    drop(lease);
    // None of the rest was ever delivered: nothing was sent back by the stop.
    let redelivered = Arc::new(AtomicU32::new(0));
    let second = Consumer::start(&resource, ConsumerSettings::new("bars"), {
        let redelivered = Arc::clone(&redelivered);
        move |delivery: Delivery| {
            redelivered.fetch_add(u32::from(delivery.redelivered), Ordering::SeqCst);
            async { Ok::<_, Infallible>(()) }
        }
    });
    eventually("the rest is handled", PATIENCE, async || second.stats().handled == u64::from(left))
        .await;
    assert_eq!(redelivered.load(Ordering::SeqCst), 0);
    drop((consumer, second));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_ends_is_dropped_at_the_limit_and_its_message_kept() {
    for concurrency in [4, 1] {
        drops_a_handler_that_hangs(concurrency).await;
    }
}

async fn drops_a_handler_that_hangs(concurrency: usize) {
    let url = vhost(&format!("hung-{concurrency}")).await;
    let resource = with_bars(&url).await;
    publish_numbers(&publisher(&resource), 0..1).await;
    let begun = Arc::new(AtomicU32::new(0));
    let settings = ConsumerSettings {
        concurrency,
        drain_limit: Duration::from_millis(200),
        ..ConsumerSettings::new("bars")
    };
    let consumer = Consumer::start(&resource, settings, {
        let begun = Arc::clone(&begun);
        move |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Result<(), Infallible>>()
        }
    });
    eventually("the handler hangs", PATIENCE, async || begun.load(Ordering::SeqCst) == 1).await;
    let undrained = tokio::time::timeout(PATIENCE, consumer.stop()).await.unwrap().unwrap_err();
    assert!(undrained.0.contains("200ms"), "{undrained}");
    let lease = resource.acquire().await.unwrap();
    eventually("it is in the queue", PATIENCE, async || depth(&lease, "bars").await == (1, 0))
        .await;
    drop((lease, consumer));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_dropped_leaves_the_broker() {
    let url = vhost("dropped").await;
    let resource = with_bars(&url).await;
    let consumer = Seen::default().consumer(&resource);
    consuming(&consumer).await;
    let lease = resource.acquire().await.unwrap();
    assert_eq!(depth(&lease, "bars").await, (0, 1));
    drop(consumer);
    eventually("no consumer is left", PATIENCE, async || depth(&lease, "bars").await == (0, 0))
        .await;
    drop(lease);
    close(resource).await;
}

//! Messages that are acknowledged together.

use crate::support::{
    PATIENCE, backend, close, nothing_is_left, number, patient, publish_numbers, publisher, shared,
    vhost, with_bars,
};
use qa_amqp::{Consumer, ConsumerSettings, Delivery};
use qa_resource_core::Resource;
use qa_servers::proxy::FaultProxy;
use qa_servers::testing::eventually;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The bytes of one acknowledgement: a frame of a class, a method, a tag, a flag.
const ACKNOWLEDGEMENT: u64 = 21;

fn settings(acknowledge_together: u16) -> ConsumerSettings {
    ConsumerSettings {
        concurrency: 1,
        acknowledge_together,
        requeue_delay: Duration::from_millis(1),
        ..ConsumerSettings::new("bars")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_few_and_every_message_is_acknowledged() {
    const MESSAGES: u32 = 1_000;
    let url = vhost("together").await;
    let resource = with_bars(&url).await;
    publish_numbers(&publisher(&resource), 0..MESSAGES).await;
    let proxy = FaultProxy::open(shared().await.port()).await;
    let consuming = Resource::new("together", backend("together", &proxy.url(&url)), patient());
    consuming.connect().await.unwrap();
    let before = proxy.counts().bytes_to_server;
    let nothing = |_: Delivery| async { Ok::<_, Infallible>(()) };
    let consumer = Consumer::start(&consuming, settings(16), nothing);
    let handled = async || consumer.stats().handled == u64::from(MESSAGES);
    eventually("all are acknowledged", PATIENCE, handled).await;
    let sent = proxy.counts().bytes_to_server - before;
    assert!(sent < u64::from(MESSAGES) * ACKNOWLEDGEMENT / 2, "{sent} bytes");
    consumer.stop().await.unwrap();
    nothing_is_left(&resource).await;
    close(consuming).await;
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_before_one_that_waits_do_not_wait_with_it() {
    let url = vhost("together-waits").await;
    let resource = with_bars(&url).await;
    publish_numbers(&publisher(&resource), 0..5).await;
    let (come, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
    let consumer = Consumer::start(&resource, settings(32), {
        let (come, go) = (Arc::clone(&come), Arc::clone(&go));
        move |_| {
            let (waits, go) = (come.fetch_add(1, Ordering::SeqCst) == 3, Arc::clone(&go));
            async move {
                if waits {
                    let _ = go.acquire().await;
                }
                Ok::<_, Infallible>(())
            }
        }
    });
    let waits = async || come.load(Ordering::SeqCst) == 4 && consumer.stats().handled == 3;
    eventually("the fourth waits, and the three before it are acknowledged", PATIENCE, waits).await;
    // A stop while it waits: it is acknowledged by itself, and what the broker had sent after it.
    let mut stopping = Box::pin(consumer.stop());
    assert!(futures_util::poll!(&mut stopping).is_pending());
    go.add_permits(1);
    stopping.await.unwrap();
    assert_eq!(consumer.stats().handled, 5);
    nothing_is_left(&resource).await;
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_failed_among_them_is_not_acknowledged_with_them() {
    let url = vhost("together-fails").await;
    let resource = with_bars(&url).await;
    publish_numbers(&publisher(&resource), 0..20).await;
    let failures = Arc::new(AtomicU32::new(0));
    let consumer = Consumer::start(&resource, settings(32), {
        let failures = Arc::clone(&failures);
        move |delivery: Delivery| {
            let fails = number(&delivery.payload) == 7 && !delivery.redelivered;
            failures.fetch_add(u32::from(fails), Ordering::SeqCst);
            async move { if fails { Err("not the first time") } else { Ok(()) } }
        }
    });
    eventually("all are acknowledged", PATIENCE, async || consumer.stats().handled == 20).await;
    assert_eq!((failures.load(Ordering::SeqCst), consumer.stats().failed), (1, 1));
    consumer.stop().await.unwrap();
    nothing_is_left(&resource).await;
    close(resource).await;
}

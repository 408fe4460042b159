//! Subscribers, and the keys that they come and go with.

use crate::support::{PATIENCE, close, no_properties, publisher, vhost, with_bars};
use qa_amqp::{
    ConsumerSettings, Delivery, Exchange, ExchangePublisher, PublishError, Queue, RabbitMq,
    Subscriber,
};
use qa_resource_core::Resource;
use qa_servers::testing::eventually;
use std::convert::Infallible;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A handler that notes the keys of what it is given.
fn noting(
    seen: mpsc::UnboundedSender<String>,
) -> impl Fn(Delivery) -> std::future::Ready<Result<(), Infallible>> + Send + Sync + 'static {
    move |delivery| {
        seen.send(delivery.routing_key).unwrap();
        std::future::ready(Ok(()))
    }
}

async fn next(seen: &mut mpsc::UnboundedReceiver<String>) -> String {
    timeout(PATIENCE, seen.recv()).await.unwrap().unwrap()
}

async fn reconnected(resource: &Resource<RabbitMq>, subscriber: &Subscriber) {
    let restarts = subscriber.stats().restarts;
    let mut watch = resource.watch();
    resource.reconnect();
    assert!(timeout(PATIENCE, watch.next()).await.unwrap().is_some(), "another connection");
    eventually("it begins anew", PATIENCE, async || subscriber.stats().restarts > restarts).await;
    timeout(PATIENCE, subscriber.consuming()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_and_go_and_hold_over_a_reconnect() {
    let url = vhost("keys").await;
    let resource = with_bars(&url).await;
    let (sender, mut seen) = mpsc::unbounded_channel();
    let ticks = Exchange::direct("ticks");
    let keys = ["cu2512", "au2512"];
    let subscriber = Subscriber::start(&resource, ticks, keys, noting(sender)).await.unwrap();
    subscriber.bind("rb2601").await.unwrap();
    subscriber.unbind("au2512").await.unwrap();
    let publisher = publisher(&resource);
    for _ in 0..2 {
        for key in ["cu2512", "rb2601"] {
            let _ = publisher.publish("ticks", key, b"1", no_properties()).await.unwrap();
            assert_eq!(next(&mut seen).await, key);
        }
        let error = publisher.publish("ticks", "au2512", b"1", no_properties()).await.unwrap_err();
        assert!(matches!(error, PublishError::Returned { .. }), "{error}");
        reconnected(&resource, &subscriber).await;
    }
    subscriber.unsubscribe().await.unwrap();
    let error = publisher.publish("ticks", "cu2512", b"1", no_properties()).await.unwrap_err();
    assert!(matches!(error, PublishError::Returned { .. }), "{error}");
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_hears_a_fanout_and_nobody_is_missed_where_nobody_listens() {
    let url = vhost("fanout").await;
    let resource = with_bars(&url).await;
    let news = || Exchange::fanout("news");
    let publisher = ExchangePublisher::start(&resource, news()).await.unwrap();
    let _ = publisher.publish("unheard", b"1").await.unwrap();
    let (sender, mut seen) = mpsc::unbounded_channel();
    let subscribe =
        async || Subscriber::start(&resource, news(), [""], noting(sender.clone())).await.unwrap();
    let subscribers = [subscribe().await, subscribe().await];
    for subscriber in &subscribers {
        timeout(PATIENCE, subscriber.consuming()).await.unwrap();
    }
    reconnected(&resource, &subscribers[0]).await;
    for subscriber in &subscribers {
        timeout(PATIENCE, subscriber.consuming()).await.unwrap();
    }
    let _ = publisher.publish_json("heard", &[1, 2]).await.unwrap();
    publisher.publish_and_forget("heard too", b"1").await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(next(&mut seen).await);
    }
    keys.sort();
    assert_eq!(keys, ["heard", "heard", "heard too", "heard too"]);
    drop((publisher, subscribers));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_one_is_given_what_came_while_it_was_away() {
    let url = vhost("durable").await;
    let resource = with_bars(&url).await;
    let (sender, mut seen) = mpsc::unbounded_channel();
    let subscribe = async || {
        let (exchange, queue) = (Exchange::topic("bars"), Queue::new("mine"));
        let (settings, handler) = (ConsumerSettings::new(""), noting(sender.clone()));
        let keys = ["bar.*.day"];
        Subscriber::with_queue(&resource, exchange, queue, keys, settings, handler).await.unwrap()
    };
    subscribe().await.stop().await.unwrap();
    let publisher = publisher(&resource);
    let _ = publisher.publish("bars", "bar.cu2512.day", b"1", no_properties()).await.unwrap();
    let subscriber = subscribe().await;
    assert_eq!(next(&mut seen).await, "bar.cu2512.day");
    subscriber.stop().await.unwrap();
    close(resource).await;
}

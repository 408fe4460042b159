//! Handlers that fail: where their messages go, and in which order the others are handled.

use crate::support::{
    PATIENCE, backend, close, no_properties, patient, publisher, vhost, with_bars,
};
use qa_amqp::lapin::options::BasicGetOptions;
use qa_amqp::lapin::types::{AMQPValue, FieldTable};
use qa_amqp::{
    Consumer, ConsumerSettings, Delivery, Exchange, Failed, OnError, Order, Queue, RabbitMq,
    Topology,
};
use qa_resource_core::Resource;
use qa_servers::testing::eventually;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

async fn declaring(url: &str, topology: Topology) -> Resource<RabbitMq> {
    let resource = Resource::new("t", backend("t", url).with_topology(topology), patient());
    resource.connect().await.unwrap();
    resource
}

/// The content of every message in a queue, in order.
async fn contents(resource: &Resource<RabbitMq>, queue: &str) -> Vec<String> {
    let lease = resource.acquire().await.unwrap();
    let channel = lease.channel().await.unwrap();
    let (mut seen, no_ack) = (Vec::new(), BasicGetOptions { no_ack: true });
    while let Some(found) = channel.basic_get(queue.into(), no_ack).await.unwrap() {
        seen.push(String::from_utf8(found.data.clone()).unwrap());
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_says_by_itself_where_its_message_goes() {
    let url = vhost("by-kind").await;
    let topology = Topology::new()
        .queue(Queue::new("orders").dead_letter("", Some("refused")))
        .queue(Queue::new("refused"));
    let resource = declaring(&url, topology).await;
    let settings = ConsumerSettings {
        requeue_delay: Duration::from_millis(1),
        ..ConsumerSettings::new("orders")
    };
    let consumer = Consumer::start(&resource, settings, |delivery: Delivery| async move {
        match &*delivery.payload {
            b"never" => Err(Failed::reject("never")),
            b"later" if !delivery.redelivered => Err(Failed::requeue("not yet")),
            _ => Ok(()),
        }
    });
    let publisher = publisher(&resource);
    for text in ["never", "later", "now"] {
        let _ = publisher.publish("", "orders", text.as_bytes(), no_properties()).await.unwrap();
    }
    eventually("both are handled", PATIENCE, async || consumer.stats().handled == 2).await;
    eventually("one is refused", PATIENCE, async || consumer.stats().failed == 2).await;
    consumer.stop().await.unwrap();
    assert_eq!(contents(&resource, "refused").await, ["never"]);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_after_a_pause_and_put_aside_at_last() {
    for queue in [Queue::new("orders"), Queue::quorum("orders")] {
        let kind = if queue.arguments.inner().is_empty() { "classic" } else { "quorum" };
        let url = vhost(&format!("retried-{kind}")).await;
        let pause = Duration::from_millis(300);
        let resource = declaring(&url, Topology::new().retried(queue, pause)).await;
        let attempts = Arc::new(Mutex::new(BTreeMap::<Vec<u8>, Vec<Instant>>::new()));
        let settings = ConsumerSettings {
            on_error: OnError::Retry { times: 3 },
            ..ConsumerSettings::new("orders")
        };
        let consumer = Consumer::start(&resource, settings, {
            let attempts = Arc::clone(&attempts);
            move |delivery: Delivery| {
                let mut attempts = attempts.lock().unwrap();
                let seen = attempts.entry(delivery.payload.clone()).or_default();
                seen.push(Instant::now());
                let ok = delivery.payload == b"second time" && seen.len() == 2;
                async move { if ok { Ok(()) } else { Err("not now") } }
            }
        });
        let publisher = publisher(&resource);
        for text in ["second time", "never"] {
            let _ =
                publisher.publish("", "orders", text.as_bytes(), no_properties()).await.unwrap();
        }
        eventually("one is put aside", PATIENCE, async || consumer.stats().parked == 1).await;
        let stats = consumer.stats();
        assert_eq!((stats.handled, stats.failed), (1, 4), "{kind}");
        consumer.stop().await.unwrap();
        let attempts = attempts.lock().unwrap().clone();
        assert_eq!(attempts[&b"second time"[..]].len(), 2);
        let never = &attempts[&b"never"[..]];
        assert_eq!(never.len(), 3);
        assert!(never.windows(2).all(|two| two[1] - two[0] >= pause), "{never:?}");
        assert_eq!(contents(&resource, "orders.dead").await, ["never"]);
        assert_eq!(contents(&resource, "orders.retry").await, [""; 0]);
        close(resource).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_gets_better_is_put_aside_at_once_although_others_are_tried_again() {
    let url = vhost("rejected-for-good").await;
    let pause = Duration::from_millis(1);
    let resource = declaring(&url, Topology::new().retried(Queue::new("orders"), pause)).await;
    let settings = ConsumerSettings {
        on_error: OnError::Retry { times: 100 },
        ..ConsumerSettings::new("orders")
    };
    let refuse = |_| async { Err::<(), _>(Failed::reject("never")) };
    let consumer = Consumer::start(&resource, settings, refuse);
    let publisher = publisher(&resource);
    let _ = publisher.publish("", "orders", b"poison", no_properties()).await.unwrap();
    eventually("it is put aside", PATIENCE, async || consumer.stats().parked == 1).await;
    assert_eq!(consumer.stats().failed, 1);
    consumer.stop().await.unwrap();
    assert_eq!(contents(&resource, "orders.dead").await, ["poison"]);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_never_comes_back() {
    let url = vhost("not-json").await;
    let resource = with_bars(&url).await;
    let sum = Arc::new(Mutex::new(0));
    let consumer = Consumer::start_json(&resource, ConsumerSettings::new("bars"), {
        let sum = Arc::clone(&sum);
        move |number: u64, _| {
            *sum.lock().unwrap() += number;
            async { Ok::<_, Infallible>(()) }
        }
    });
    let publisher = publisher(&resource);
    for text in ["1", "c4n4ry", "2"] {
        let _ = publisher.publish("", "bars", text.as_bytes(), no_properties()).await.unwrap();
    }
    eventually("all are done", PATIENCE, async || {
        let stats = consumer.stats();
        (stats.handled, stats.failed) == (2, 1)
    })
    .await;
    assert_eq!(*sum.lock().unwrap(), 3);
    consumer.stop().await.unwrap();
    assert_eq!(contents(&resource, "bars").await, [""; 0]);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_one_key_are_handled_in_order_and_others_beside_them() {
    let url = vhost("lanes").await;
    let topology = Topology::new()
        .exchange(Exchange::topic("ticks"))
        .queue(Queue::new("ticks"))
        .bind(qa_amqp::Binding::queue("ticks", "ticks", "#"));
    let resource = declaring(&url, topology).await;
    for order in [Order::RoutingKey, Order::Header("code".to_owned())] {
        let seen = Arc::new(Mutex::new(BTreeMap::<String, Vec<u32>>::new()));
        let (running, most) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let settings = ConsumerSettings { order, ..ConsumerSettings::new("ticks") };
        let publisher = publisher(&resource);
        for number in 0..200_u32 {
            let key = format!("key-{}", number % 5);
            let mut headers = FieldTable::default();
            headers.insert("code".into(), AMQPValue::LongString(key.as_str().into()));
            let properties = no_properties().with_headers(headers);
            let payload = number.to_be_bytes();
            let _ = publisher.publish("ticks", &key, &payload, properties).await.unwrap();
        }
        let consumer = Consumer::start(&resource, settings, {
            let (seen, running, most) = (seen.clone(), running.clone(), most.clone());
            move |delivery: Delivery| {
                let (seen, running, most) = (seen.clone(), running.clone(), most.clone());
                async move {
                    let now = {
                        let mut running = running.lock().unwrap();
                        *running += 1;
                        *running
                    };
                    let most_now = *most.lock().unwrap();
                    *most.lock().unwrap() = now.max(most_now);
                    // Others get on meanwhile, some of them further than this one.
                    for _ in 0..fastrand::u32(..20) {
                        tokio::task::yield_now().await;
                    }
                    let number = crate::support::number(&delivery.payload);
                    let mut seen = seen.lock().unwrap();
                    seen.entry(delivery.routing_key.clone()).or_default().push(number);
                    *running.lock().unwrap() -= 1;
                    Ok::<_, Infallible>(())
                }
            }
        });
        eventually("all are handled", PATIENCE, async || consumer.stats().handled == 200).await;
        consumer.stop().await.unwrap();
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 5);
        assert!(
            seen.values().all(|numbers| numbers.is_sorted() && numbers.len() == 40),
            "{seen:?}"
        );
        assert!(*most.lock().unwrap() > 1, "they ran side by side");
    }
    close(resource).await;
}

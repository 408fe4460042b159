//! Confirmed, returned, refused: each message told apart.

use crate::management::channels;
use crate::support::{
    PATIENCE, backend, close, depth, no_properties, number, patient, publish_numbers, publisher,
    shared, vhost, with_bars,
};
use futures_util::future::{join, join_all};
use futures_util::{StreamExt, poll};
use qa_amqp::lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicGetOptions};
use qa_amqp::lapin::types::{AMQPValue, FieldTable};
use qa_amqp::{PublishError, Publisher, PublisherSettings, Publishing, Queue, Topology};
use qa_resource_core::{ErrorKind, Outcome, Resource, Settings, State};
use qa_servers::testing::eventually;
use std::ops::Range;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_is_in_the_queue_in_order_and_persistent() {
    let url = vhost("confirmed").await;
    let resource = with_bars(&url).await;
    publish_numbers(&publisher(&resource), 0..3_000).await;

    let lease = resource.acquire().await.unwrap();
    assert_eq!(depth(&lease, "bars").await.0, 3_000);
    let channel = lease.channel().await.unwrap();
    let consume = BasicConsumeOptions::default();
    let mut deliveries = channel
        .basic_consume("bars".into(), "".into(), consume, FieldTable::default())
        .await
        .unwrap();
    for expected in 0..3_000 {
        let delivery = deliveries.next().await.unwrap().unwrap();
        assert_eq!(number(&delivery.data), expected);
        assert_eq!(*delivery.properties.delivery_mode(), Some(2));
        assert!(delivery.properties.message_id().is_some());
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    drop((deliveries, channel, lease));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_the_channel_is_not_overtaken_by_who_comes_when_it_is_open() {
    let url = vhost("overtaken").await;
    let resource = with_bars(&url).await;
    let publisher = publisher(&resource);
    let publish = |number| Box::pin(publish_numbers(&publisher, number..number + 1));
    let (mut first, mut second) = (publish(0), publish(1));
    assert!(poll!(&mut first).is_pending(), "the channel is being opened");
    assert!(poll!(&mut second).is_pending());
    first.await;
    // The third is polled while the second does not know yet that the channel is open.
    join(publish(2), second).await;

    let lease = resource.acquire().await.unwrap();
    let channel = lease.channel().await.unwrap();
    for expected in 0..3 {
        let got = channel.basic_get("bars".into(), BasicGetOptions { no_ack: true }).await.unwrap();
        assert_eq!(number(&got.unwrap().data), expected);
    }
    drop((channel, lease, publisher));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_that_was_idle_for_three_heartbeats_publishes_at_once() {
    let url = format!("{}?heartbeat=5", vhost("idle").await);
    let backend = backend("bars", &url).with_topology(Topology::new().queue(Queue::new("bars")));
    // Nothing but heartbeats: no ping of ours.
    let settings = Settings { health_interval: Duration::from_secs(3600), ..patient() };
    let resource = Resource::new("bars", backend, settings);
    resource.connect().await.unwrap();
    let publisher = publisher(&resource);
    publish_numbers(&publisher, 0..1).await;
    let mut watch = resource.watch();
    let lost = watch.wait_for(State::Reconnecting);
    let lost = tokio::time::timeout(Duration::from_secs(16), lost).await;
    assert!(lost.is_err(), "the connection was lost: {lost:?}");
    publish_numbers(&publisher, 1..2).await;
    assert_eq!(resource.status().stats.disconnects, 0);
    assert_eq!(depth(&resource.acquire().await.unwrap(), "bars").await.0, 2);
    drop(publisher);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_queue_wants_is_returned_with_the_reply() {
    let url = vhost("returned").await;
    let resource = with_bars(&url).await;
    let publisher = publisher(&resource);
    let error = publisher.publish("", "nowhere", b"x", no_properties()).await.unwrap_err();
    assert!(matches!(error, PublishError::Returned { code: 312, .. }), "{error}");
    assert_eq!(error.outcome(), Outcome::NotApplied);
    // And at once, where it is to be tried until it is confirmed: another attempt can't help.
    let begun = Instant::now();
    let limit = Duration::from_secs(60);
    let error = publisher
        .publish_until_confirmed("", "nowhere", b"x", no_properties(), limit)
        .await
        .unwrap_err();
    assert!(matches!(error, PublishError::Returned { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let confirmed = publisher.publish("", "bars", b"x", no_properties()).await.unwrap();
    assert_eq!(confirmed.attempts, 1);
    drop(publisher);
    close(resource).await;
}

/// The driver gives a returned message to whichever confirm completes next; with many on their way
/// that is often another one.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_on_their_way_exactly_those_that_no_queue_wants_are_returned() {
    let url = vhost("mixed").await;
    let resource = with_bars(&url).await;
    let publisher = publisher(&resource);
    for round in 0..20 {
        let publish = |at: u32| {
            let key = if at.is_multiple_of(3) { "nowhere" } else { "bars" };
            let publisher = &publisher;
            async move { (at, publisher.publish("", key, b"x", no_properties()).await) }
        };
        for (at, result) in join_all((0..600).map(publish)).await {
            let returned = matches!(result, Err(PublishError::Returned { code: 312, .. }));
            assert_eq!(returned, at.is_multiple_of(3), "round {round}, message {at}: {result:?}");
            assert!(returned || result.is_ok(), "round {round}, message {at}: {result:?}");
        }
    }
    drop(publisher);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_that_refuses_is_told() {
    let url = vhost("nacked").await;
    let resource = with_bars(&url).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let lease = resource.acquire().await.unwrap();
    lease.declare(Topology::new().queue(Queue { arguments, ..Queue::new("small") })).await.unwrap();
    drop(lease);
    let publisher = publisher(&resource);
    let _ = publisher.publish("", "small", b"1", no_properties()).await.unwrap();
    let error = publisher.publish("", "small", b"2", no_properties()).await.unwrap_err();
    assert!(matches!(error, PublishError::Nacked), "{error}");
    assert!(error.is_transient());
    drop(publisher);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_is_missing_fails_its_message_and_spares_the_others() {
    let url = vhost("missing").await;
    let resource = with_bars(&url).await;
    let publisher = publisher(&resource);
    let limit = Duration::from_secs(20);
    let good = |_| publisher.publish_until_confirmed("", "bars", b"x", no_properties(), limit);
    let bad = publisher.publish_until_confirmed("nowhere", "k", b"x", no_properties(), limit);
    let (bad, good) = tokio::join!(bad, join_all((0..200).map(good)));
    let error = bad.unwrap_err();
    assert!(matches!(&error, PublishError::Unknown(error) if error.kind() == ErrorKind::Operation));
    assert!(error.to_string().contains("nowhere"), "{error}");
    for result in good {
        let _ = result.unwrap();
    }
    drop(publisher);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_bounds_what_is_on_its_way_and_dropped_callers_leave_nothing_in_it() {
    let url = vhost("window").await;
    let resource = with_bars(&url).await;
    let settings = PublisherSettings { window: 4, ..PublisherSettings::default() };
    let publisher = Publisher::new(&resource, settings);
    let publish = |_| async {
        let confirmed = publisher.publish("", "bars", b"x", no_properties()).await.unwrap();
        assert!(publisher.outstanding() <= 4);
        confirmed
    };
    let ids: Vec<_> = join_all((0..200).map(publish)).await;
    assert_eq!(ids.len(), 200);

    for _ in 0..50 {
        let mut given_up = Box::pin(publisher.publish("", "bars", b"x", no_properties()));
        assert!(futures_util::poll!(&mut given_up).is_pending());
    }
    let _ = publisher.publish("", "bars", b"x", no_properties()).await.unwrap();
    eventually("nothing is on its way", Duration::from_secs(5), async || {
        publisher.outstanding() == 0
    })
    .await;
    drop(publisher);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_look_holds_up_nobody() {
    let url = vhost("looks").await;
    let resource = with_bars(&url).await;
    let settings = PublisherSettings { window: 1, ..PublisherSettings::default() };
    let publisher = Publisher::new(&resource, settings);
    publish_numbers(&publisher, 0..1).await;
    let publish = || publisher.publish("", "bars", b"x", no_properties());
    let lease = resource.acquire().await.unwrap();

    // The next one waits before the broker's word is there, and after it came.
    let mut first = Box::pin(publish());
    assert!(poll!(&mut first).is_pending());
    let _ = publish().await.unwrap();
    let mut second = Box::pin(publish());
    assert!(poll!(&mut second).is_pending());
    eventually("it is there", PATIENCE, async || depth(&lease, "bars").await.0 == 4).await;
    let _ = publish().await.unwrap();

    // Nor does it hold up a close.
    let mut third = Box::pin(publish());
    assert!(poll!(&mut third).is_pending());
    drop(lease);
    close(resource).await;
    for late in [first, second, third] {
        let _ = late.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_resource_waits_for_what_is_on_its_way_and_then_refuses() {
    let url = vhost("drained").await;
    let resource = with_bars(&url).await;
    let publisher = publisher(&resource);
    publish_numbers(&publisher, 0..1).await;
    let publishing: Vec<_> = (0..500)
        .map(|_| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish("", "bars", b"x", no_properties()).await })
        })
        .collect();
    // Under way, not done: the last was handed over, or waits for room.
    tokio::task::yield_now().await;
    close(resource).await;
    let mut confirmed = 0;
    for publish in publishing {
        match publish.await.unwrap() {
            Ok(_) => confirmed += 1,
            Err(PublishError::NotSent(error)) => assert_eq!(error.kind(), ErrorKind::Closed),
            Err(other) => panic!("{other}"),
        }
    }
    let error = publisher.publish("", "bars", b"x", no_properties()).await.unwrap_err();
    assert!(matches!(&error, PublishError::NotSent(error) if error.kind() == ErrorKind::Closed));

    let resource = with_bars(&url).await;
    let lease = resource.acquire().await.unwrap();
    assert_eq!(depth(&lease, "bars").await.0, confirmed + 1);
    drop(lease);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_published_in_their_order_and_each_has_its_end() {
    let url = vhost("many").await;
    let resource = with_bars(&url).await;
    // Room for one and a half: what waits is not overtaken.
    let settings = PublisherSettings { window_bytes: 150, ..PublisherSettings::default() };
    let publisher = Publisher::new(&resource, settings);
    let message = |number: u32| {
        let to = if number % 10 == 9 { "nowhere" } else { "bars" };
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(100, 0);
        Publishing::new("", to, payload)
    };
    let ends = publisher.publish_all((0..300).map(message)).await;
    assert_eq!(ends.len(), 300);
    for (number, end) in ends.iter().enumerate() {
        assert_eq!(end.is_err(), number % 10 == 9, "{number}: {end:?}");
    }
    let mut seen = Vec::new();
    let lease = resource.acquire().await.unwrap();
    let channel = lease.channel().await.unwrap();
    let no_ack = BasicGetOptions { no_ack: true };
    while let Some(found) = channel.basic_get("bars".into(), no_ack).await.unwrap() {
        seen.push(number(&found.data[..4]));
    }
    assert_eq!(seen, (0..300).filter(|number| number % 10 != 9).collect::<Vec<_>>());
    drop((channel, lease));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_that_it_is_json_and_what_can_t_be_written_is_not_sent() {
    let url = vhost("json").await;
    let resource = with_bars(&url).await;
    let publisher = publisher(&resource);
    let bar = serde_json::json!({ "code": "cu2512", "close": 86_350.0 });
    let _ = publisher.publish_json("", "bars", &bar, no_properties()).await.unwrap();
    let mine = no_properties().with_content_type("application/x-bar+json".into());
    let _ = publisher.publish_json("", "bars", &bar, mine).await.unwrap();
    let lease = resource.acquire().await.unwrap();
    let channel = lease.channel().await.unwrap();
    for kind in ["application/json", "application/x-bar+json"] {
        let no_ack = BasicGetOptions { no_ack: true };
        let found = channel.basic_get("bars".into(), no_ack).await.unwrap().unwrap();
        assert_eq!(found.properties.content_type().as_ref().unwrap().as_str(), kind);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&found.data).unwrap(), bar);
    }
    // A key that is not text.
    let unwritable = std::collections::BTreeMap::from([(vec![1], 1)]);
    let error = publisher.publish_json("", "bars", &unwritable, no_properties()).await.unwrap_err();
    let PublishError::NotSent(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    drop((channel, lease));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_published_and_waits_for_nobody() {
    let url = vhost("forgotten").await;
    let resource = with_bars(&url).await;
    let publisher = publisher(&resource);
    for number in 0..100_u32 {
        let payload = number.to_be_bytes();
        publisher.publish_and_forget("", "bars", &payload, no_properties()).await.unwrap();
    }
    publisher.publish_and_forget("", "nowhere", b"x", no_properties()).await.unwrap();
    eventually("all are settled", PATIENCE, async || publisher.outstanding() == 0).await;
    let lease = resource.acquire().await.unwrap();
    assert_eq!(lease.messages("bars").await.unwrap(), 100);
    drop(lease);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_forgets_has_nothing_confirmed_and_is_not_overtaken_by_what_is() {
    let url = vhost("unconfirmed").await;
    let resource = with_bars(&url).await;
    let settings = PublisherSettings { mandatory: false, ..PublisherSettings::default() };
    let publisher = Publisher::new(&resource, settings);
    let forget = async |numbers: Range<u32>| {
        for number in numbers {
            let payload = number.to_be_bytes();
            publisher.publish_and_forget("", "bars", &payload, no_properties()).await.unwrap();
        }
    };
    forget(0..1_000).await;
    let confirms = async || {
        let channels = channels(shared().await, "unconfirmed").await;
        let one = channels.iter().find(|one| one["message_stats"]["publish"] == 1_000);
        one.map(|one| one["confirm"].as_bool().unwrap())
    };
    eventually("the broker counts them", PATIENCE, async || confirms().await.is_some()).await;
    assert_eq!(confirms().await, Some(false));

    forget(1_000..2_000).await;
    let payload = 2_000_u32.to_be_bytes();
    let _ = publisher.publish("", "bars", &payload, no_properties()).await.unwrap();
    forget(2_001..3_000).await;
    eventually("all are settled", PATIENCE, async || publisher.outstanding() == 0).await;
    let lease = resource.acquire().await.unwrap();
    assert_eq!(depth(&lease, "bars").await.0, 3_000, "the second channel confirms");
    let channel = lease.channel().await.unwrap();
    for expected in 0..3_000 {
        let no_ack = BasicGetOptions { no_ack: true };
        let found = channel.basic_get("bars".into(), no_ack).await.unwrap().unwrap();
        assert_eq!(number(&found.data), expected);
    }
    drop((channel, lease));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_is_there_once_its_resource_is_closed() {
    let url = vhost("forgotten-and-closed").await;
    let resource = with_bars(&url).await;
    let settings = PublisherSettings { mandatory: false, ..PublisherSettings::default() };
    let publisher = Publisher::new(&resource, settings);
    for number in 0..3_000_u32 {
        let payload = number.to_be_bytes();
        publisher.publish_and_forget("", "bars", &payload, no_properties()).await.unwrap();
    }
    close(resource).await;
    let resource = with_bars(&url).await;
    let lease = resource.acquire().await.unwrap();
    assert_eq!(depth(&lease, "bars").await.0, 3_000);
    drop(lease);
    close(resource).await;
}

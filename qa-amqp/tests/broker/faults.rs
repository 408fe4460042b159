//! A broker that is killed, and one that freezes.

use crate::support::{
    PATIENCE, backend, close, no_properties, number, patient, publish_numbers, publisher, shared,
    vhost, with_bars,
};
use futures_util::future::join_all;
use futures_util::poll;
use qa_amqp::{
    Consumer, ConsumerSettings, Delivery, Exchange, ExchangePublisher, PublishError, Publisher,
    PublisherSettings, Queue, Subscriber, Topology,
};
use qa_resource_core::{Backend, Health, Outcome, Resource, Settings, State};
use qa_servers::proxy::{FaultProxy, Faults};
use qa_servers::testing::eventually;
use qa_servers::{Server, System};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_nothing_that_was_confirmed() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    let resource = with_bars(&server.url()).await;
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let consumer = Consumer::start(&resource, ConsumerSettings::new("bars"), {
        let seen = Arc::clone(&seen);
        move |delivery: Delivery| {
            seen.lock().unwrap().insert(number(&delivery.payload));
            async { Ok::<_, Infallible>(()) }
        }
    });
    let publisher = publisher(&resource);
    let publish = |number: u32| {
        let publisher = publisher.clone();
        async move {
            let (payload, limit) = (number.to_be_bytes(), Duration::from_secs(120));
            publisher.publish_until_confirmed("", "bars", &payload, no_properties(), limit).await
        }
    };
    let publishing = tokio::spawn(join_all((0..2_000).map(publish)));
    eventually("it is in the middle", PATIENCE, async || seen.lock().unwrap().len() > 100).await;
    server.kill().await.unwrap();
    server.start_again().await.unwrap();

    let results = timeout(Duration::from_secs(120), publishing).await.unwrap().unwrap();
    for result in results {
        let _ = result.unwrap();
    }
    eventually("all are seen", PATIENCE, async || seen.lock().unwrap().len() == 2_000).await;
    assert_eq!(resource.state(), State::Ready);
    drop((consumer, publisher));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_gives_every_subscriber_its_keys_again() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    let resource = with_bars(&server.url()).await;
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let mut subscribers = Vec::new();
    for number in 0..10 {
        let seen = Arc::clone(&seen);
        let note = move |tick: Delivery| {
            seen.lock().unwrap().insert((number, tick.routing_key));
            async { Ok::<_, Infallible>(()) }
        };
        let keys = [format!("own-{number}"), "dropped".to_owned()];
        let subscriber =
            Subscriber::start(&resource, Exchange::direct("ticks"), keys, note).await.unwrap();
        subscriber.bind("all").await.unwrap();
        subscriber.unbind("dropped").await.unwrap();
        tokio::time::timeout(PATIENCE, subscriber.consuming()).await.unwrap();
        subscribers.push(subscriber);
    }
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    for subscriber in &subscribers {
        let again = async || subscriber.stats().restarts > 0;
        eventually("it begins anew", PATIENCE, again).await;
        tokio::time::timeout(PATIENCE, subscriber.consuming()).await.unwrap();
    }

    let ticks = ExchangePublisher::start(&resource, Exchange::direct("ticks")).await.unwrap();
    let own = (0..10).map(|number| (number, format!("own-{number}")));
    let expected: BTreeSet<_> = own.chain((0..10).map(|number| (number, "all".into()))).collect();
    // First the one that nobody may hear: what comes behind it has come after it.
    for key in ["dropped", "all"] {
        let _ = ticks.publish(key, b"1").await.unwrap();
    }
    for number in 0..10 {
        let _ = ticks.publish(&format!("own-{number}"), b"1").await.unwrap();
    }
    eventually("all are heard", PATIENCE, async || seen.lock().unwrap().len() >= 20).await;
    assert_eq!(*seen.lock().unwrap(), expected);
    drop((subscribers, ticks));
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_ends_although_its_connection_ends_beside_it() {
    let url = vhost("goodbye").await;
    let proxy = FaultProxy::open(shared().await.port()).await;
    let backend = backend("goodbye", &proxy.url(&url));
    for number in 0..100 {
        let client = backend.connect().await.unwrap();
        let mut channels = Vec::new();
        for _ in 0..10 {
            channels.push(client.channel().await.unwrap());
            channels.push(client.publishing().create_channel().await.unwrap());
        }
        proxy.reset();
        if number % 2 == 0 {
            let _ = timeout(PATIENCE, backend.lost(&client)).await.unwrap();
        }
        timeout(PATIENCE, backend.close(client)).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_hangs_nobody_and_is_used_again_when_it_thaws() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    let resource = with_bars(&server.url()).await;
    let settings =
        PublisherSettings { limit: Duration::from_secs(1), ..PublisherSettings::default() };
    let publisher = Publisher::new(&resource, settings);
    publish_numbers(&publisher, 0..1).await;
    server.freeze().await.unwrap();

    let begun = Instant::now();
    let error = publisher.publish("", "bars", b"lost?", no_properties()).await.unwrap_err();
    assert!(matches!(error, PublishError::Unknown(_)), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let mut watch = resource.watch();
    if resource.state() == State::Ready {
        let noticed = watch.wait_for(State::Reconnecting);
        assert!(timeout(Duration::from_secs(10), noticed).await.unwrap());
    }
    server.thaw().await.unwrap();
    let limit = Duration::from_secs(60);
    let again = publisher.publish_until_confirmed("", "bars", b"again", no_properties(), limit);
    let _ = again.await.unwrap();

    server.freeze().await.unwrap();
    let begun = Instant::now();
    let report = resource.close(Duration::from_secs(4)).await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_does_not_pile_up_before_a_frozen_broker() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    let backend =
        backend("bars", &server.url()).with_topology(Topology::new().queue(Queue::new("bars")));
    // No ping of ours, with which the connection is given up before it is full.
    let settings = Settings { health_interval: Duration::from_secs(3600), ..patient() };
    let resource = Resource::new("bars", backend, settings);
    resource.connect().await.unwrap();
    let limit = Duration::from_millis(300);
    let settings =
        PublisherSettings { window: 16, mandatory: false, limit, ..PublisherSettings::default() };
    let publisher = Publisher::new(&resource, settings);
    let payload = vec![0; 64 * 1024];
    let forget = async || publisher.publish_and_forget("", "bars", &payload, no_properties()).await;
    forget().await.unwrap();
    eventually("it is written", PATIENCE, async || publisher.outstanding() == 0).await;

    server.freeze().await.unwrap();
    let mut taken = 1;
    let error = loop {
        match forget().await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1_000, "64 MB wait, of a window of 1 MB");
    };
    assert!(error.to_string().contains("the window is full"), "{error}");
    server.thaw().await.unwrap();
    let lease = resource.acquire().await.unwrap();
    eventually("all arrive", PATIENCE, async || lease.messages("bars").await.unwrap() == taken)
        .await;
    drop(lease);
    close(resource).await;
    server.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_publish_ends_in_its_own_time_while_the_broker_is_silent() {
    let server = shared().await;
    let proxy = FaultProxy::open(server.port()).await;
    let resource = with_bars(&proxy.url(&vhost("silent").await)).await;
    let limit = Duration::from_secs(2);
    let publisher =
        Publisher::new(&resource, PublisherSettings { limit, ..PublisherSettings::default() });
    publish_numbers(&publisher, 0..1).await;
    proxy.set(Faults::silent());

    let begun = Instant::now();
    let many = join_all((0..100).map(|_| async {
        let error = publisher.publish("", "bars", b"lost?", no_properties()).await.unwrap_err();
        (begun.elapsed(), error)
    }));
    // Its time is over first, although it came last.
    let brief = Duration::from_millis(300);
    let last = async {
        let publish =
            publisher.publish_until_confirmed("", "bars", b"lost?", no_properties(), brief);
        let error = publish.await.unwrap_err();
        (begun.elapsed(), error)
    };
    let (many, last) = tokio::join!(many, last);
    for ((took, error), limit) in many.into_iter().map(|one| (one, limit)).chain([(last, brief)]) {
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        assert!(took >= limit && took < limit + Duration::from_secs(1), "{took:?} of {limit:?}");
    }
    proxy.heal();
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_ever_once_the_runtime_that_keeps_a_channel_is_gone() {
    let server = shared().await;
    let proxy = FaultProxy::open(server.port()).await;
    let resource = with_bars(&proxy.url(&vhost("gone").await)).await;
    let limit = Duration::from_secs(3600);
    let publisher =
        Publisher::new(&resource, PublisherSettings { limit, ..PublisherSettings::default() });
    let other = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let first = publisher.clone();
    other.spawn(async move { publish_numbers(&first, 0..1).await }).await.unwrap();

    proxy.set(Faults::silent());
    let mut publish = Box::pin(publisher.publish("", "bars", b"lost?", no_properties()));
    assert!(poll!(&mut publish).is_pending());
    other.shutdown_background();
    // Sooner than the silence is noticed, which would end it too.
    let error = timeout(Duration::from_secs(2), publish).await.unwrap().unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");

    // The next one has a channel that is kept elsewhere.
    proxy.heal();
    let again = publisher.publish_until_confirmed("", "bars", b"again", no_properties(), PATIENCE);
    let _ = again.await.unwrap();
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_short_of_memory_is_an_impairment_until_it_is_over() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    let settings = Settings { health_interval: Duration::from_millis(200), ..patient() };
    let backend =
        backend("bars", &server.url()).with_topology(Topology::new().queue(Queue::new("bars")));
    let resource = Resource::new("bars", backend, settings);
    let publisher = Publisher::new(&resource, PublisherSettings::default());
    publish_numbers(&publisher, 0..1).await;
    let lease = resource.acquire().await.unwrap();
    assert!(lease.blocked().is_none());

    server.raise_alarm().await.unwrap();
    // The broker blocks a connection when that publishes: this one is on its way, or held back.
    let limit = Duration::from_secs(60);
    let publishing = tokio::spawn({
        let publisher = publisher.clone();
        async move {
            let payload = 1_u32.to_be_bytes();
            publisher.publish_until_confirmed("", "bars", &payload, no_properties(), limit).await
        }
    });
    eventually("it is blocked", PATIENCE, async || lease.blocked().is_some()).await;
    eventually("it is degraded", PATIENCE, async || {
        let error = resource.health().error.map(|error| error.to_string()).unwrap_or_default();
        error.contains("the broker takes no messages")
    })
    .await;
    assert_eq!((resource.state(), resource.health().health), (State::Ready, Health::Degraded));
    assert!(!publishing.is_finished());

    server.clear_alarm().await.unwrap();
    let _ = publishing.await.unwrap().unwrap();
    assert!(lease.blocked().is_none());
    eventually("it is up", PATIENCE, async || resource.health().health == Health::Up).await;
    let now = resource.acquire().await.unwrap().generation();
    assert_eq!(now, lease.generation(), "it is the same connection");
    drop((lease, publisher));
    close(resource).await;
}

//! A broker that is killed, and one that freezes.

use crate::support::{PATIENCE, no_properties, number, publish_numbers, publisher, with_bars};
use qa_amqp::{Consumer, ConsumerSettings, Delivery, PublishError, Publisher, PublisherSettings};
use qa_resource_core::{Outcome, State};
use qa_servers::testing::eventually;
use qa_servers::{Server, System};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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
    let publishing = tokio::spawn(futures_util::future::join_all((0..2_000).map(publish)));
    eventually("it is in the middle", PATIENCE, async || seen.lock().unwrap().len() > 100).await;
    server.kill().await.unwrap();
    server.start_again().await.unwrap();

    let results =
        tokio::time::timeout(Duration::from_secs(120), publishing).await.unwrap().unwrap();
    for result in results {
        let _ = result.unwrap();
    }
    eventually("all are seen", PATIENCE, async || seen.lock().unwrap().len() == 2_000).await;
    assert_eq!(resource.state(), State::Ready);
    drop((consumer, publisher));
    let report = resource.close(Duration::from_secs(10)).await;
    assert!(report.is_clean(), "{report}");
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
        assert!(tokio::time::timeout(Duration::from_secs(10), noticed).await.unwrap());
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

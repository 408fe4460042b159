//! Settings that change while the resource is connected, in virtual time.

mod common;

use common::{Does, Fail, Plain, Script, exact, ms};
use qa_resource_core::{ErrorKind, Resource, Settings, State};
use std::sync::Arc;
use tokio::time::{Instant, sleep};

async fn connected(settings: Settings) -> (Arc<Script>, Resource<Plain>) {
    let script = Script::new();
    let resource = Resource::new("r", common::Scripted(script.clone()), settings);
    resource.connect().await.unwrap();
    (script, resource)
}

#[tokio::test(start_paused = true)]
async fn what_is_set_is_given_back_and_takes_no_new_connection() {
    let (script, resource) = connected(exact()).await;
    resource.set_settings(Settings { acquire_timeout: ms(1), ..exact() });
    sleep(ms(60_000)).await;
    assert_eq!(resource.settings().acquire_timeout, ms(1));
    assert_eq!((resource.state(), script.count("connect")), (State::Ready, 1));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_between_pings_does_not_wait_for_the_longer_one() {
    let (script, resource) = connected(Settings { health_interval: ms(600_000), ..exact() }).await;
    sleep(ms(1_000)).await;
    let before = script.count("ping");
    resource.set_settings(Settings { health_interval: ms(1_000), ..exact() });
    sleep(ms(5_500)).await;
    assert_eq!(script.count("ping") - before, 6, "one at once, and one each second");
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_what_begins_are_the_new_ones() {
    let (script, resource) = connected(exact()).await;
    resource.set_settings(Settings {
        acquire_timeout: ms(50),
        operation_timeout: ms(200),
        backoff_floor: ms(3_000),
        backoff_cap: ms(3_000),
        ..exact()
    });
    let began = Instant::now();
    let error =
        resource.run(|_lease| std::future::pending::<Result<(), Fail>>()).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Timeout, ms(200)));

    *script.connect.lock().unwrap() = Does::Never;
    script.cut();
    assert!(resource.watch().wait_for(State::Reconnecting).await);
    let began = Instant::now();
    assert_eq!(resource.acquire().await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(began.elapsed(), ms(50));
}

#[tokio::test(start_paused = true)]
async fn a_bound_on_operations_counts_from_the_next_connection_on() {
    let (_script, resource) = connected(exact()).await;
    resource.set_settings(Settings { max_in_flight: Some(1), acquire_timeout: ms(50), ..exact() });
    let hold = |resource: Resource<Plain>| async move {
        let operation = async |_lease| {
            sleep(ms(1_000)).await;
            Ok(())
        };
        resource.run(operation).await
    };
    let (one, two) = tokio::join!(hold(resource.clone()), hold(resource.clone()));
    assert!(one.is_ok() && two.is_ok(), "there is no line yet");

    let mut watch = resource.watch();
    resource.reconnect();
    assert_eq!(watch.next().await.unwrap().generation, 2);
    let (one, two) = tokio::join!(hold(resource.clone()), hold(resource.clone()));
    let refused = one.and(two).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
}

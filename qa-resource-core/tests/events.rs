//! One stream for the state changes of many resources, in virtual time.

mod common;

use common::{Plain, Script, exact, ms};
use futures_util::StreamExt;
use qa_resource_core::{EventBus, Group, Resource, State};

fn resource(name: &'static str, bus: &EventBus) -> (std::sync::Arc<Script>, Resource<Plain>) {
    let script = Script::new();
    let resource = Resource::new(name, common::Scripted(script.clone()), exact());
    Group::from(&resource).report_to(bus);
    (script, resource)
}

#[tokio::test(start_paused = true)]
async fn the_changes_of_all_come_in_the_order_in_which_they_happened_and_end_with_the_last() {
    let bus = EventBus::new();
    let mut events = bus.subscribe();
    let ((_, a), (script, b)) = (resource("a", &bus), resource("b", &bus));
    a.connect().await.unwrap();
    b.connect().await.unwrap();
    let mut watch = b.watch();
    script.cut();
    watch.wait_for(State::Reconnecting).await;
    watch.wait_for(State::Ready).await;
    a.close(ms(100)).await;
    b.close(ms(100)).await;
    // Told by those that report alone: it is they who keep the stream going.
    drop(bus);
    let mut told = Vec::new();
    while let Some(change) = events.next().await {
        told.push(format!("{} {}", change.resource, change.to));
    }
    let expected = [
        "a connecting",
        "a ready",
        "b connecting",
        "b ready",
        "b reconnecting",
        "b ready",
        "a draining",
        "a closed",
        "b draining",
        "b closed",
    ];
    assert_eq!(told, expected);
    assert_eq!(events.missed(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_lags_behind_is_told_how_many_were_missed_and_goes_on() {
    let bus = EventBus::new();
    let mut events = bus.subscribe();
    // Four changes each.
    for _ in 0..300 {
        let (_, resource) = resource("r", &bus);
        resource.connect().await.unwrap();
        resource.close(ms(100)).await;
    }
    assert!(events.next().await.is_some());
    assert_eq!(events.missed(), 4 * 300 - 1024);
    drop(bus);
    assert_eq!(events.into_stream().count().await, 1023);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_closed_reports_nothing_and_keeps_nobody_waiting() {
    let bus = EventBus::new();
    let (_, resource) = resource("r", &EventBus::new());
    resource.close(ms(100)).await;
    resource.report_to(&bus);
    let mut events = bus.subscribe();
    drop(bus);
    assert!(events.next().await.is_none());
}

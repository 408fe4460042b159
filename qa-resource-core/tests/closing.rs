//! The end of a resource on a scripted backend, in virtual time, with exact times.

mod common;

use common::{Does, Fail, Plain, Script, exact, ms};
use qa_resource_core::{ErrorKind, Forced, Resource, Settings, State};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;

fn resource(settings: Settings) -> (std::sync::Arc<Script>, Resource<Plain>) {
    let script = Script::new();
    (script.clone(), Resource::new("r", common::Scripted(script), settings))
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_leases_and_refuses_new_ones() {
    let (script, resource) = resource(exact());
    let lease = resource.acquire().await.unwrap();
    let closing = tokio::spawn({
        let resource = resource.clone();
        async move { resource.close(ms(10_000)).await }
    });
    sleep(ms(1_000)).await;
    assert_eq!(resource.state(), State::Draining);
    for error in [
        resource.acquire().await.unwrap_err(),
        resource.try_acquire().unwrap_err(),
        resource.connect().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    assert_eq!(script.count("close"), 0);
    drop(lease);
    let report = closing.await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.took, resource.state()), (ms(1_000), State::Closed));
    assert_eq!((script.count("close"), script.open.load(Ordering::SeqCst)), (1, 0));
    // Idempotent and final.
    assert_eq!(resource.close(ms(1)).await.took, ms(1_000));
    assert_eq!(resource.acquire().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn close_is_bounded_when_leases_never_come_back_and_the_server_is_silent() {
    let (script, resource) = resource(exact());
    let _lease = resource.acquire().await.unwrap();
    Script::set(&script.close, Does::Never);
    let report = resource.close(ms(4_000)).await;
    // 3 s for the leases, 1 s kept for the goodbye.
    assert_eq!(report.took, ms(4_000));
    assert!(matches!(report.forced[..], [Forced::Leases(1), Forced::Goodbye(_)]), "{report}");
    assert_eq!(script.times("close"), [ms(3_000)]);
}

#[tokio::test(start_paused = true)]
async fn a_second_close_with_less_time_hurries_the_first() {
    let (_script, resource) = resource(exact());
    let _lease = resource.acquire().await.unwrap();
    let first = tokio::spawn({
        let resource = resource.clone();
        async move { resource.close(ms(60_000)).await }
    });
    sleep(ms(1_000)).await;
    let report = resource.close(Duration::ZERO).await;
    assert_eq!(report.took, ms(1_000));
    assert!(matches!(report.forced[..], [Forced::Leases(1)]), "{report}");
    assert_eq!(first.await.unwrap().took, ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn a_close_goes_on_where_its_caller_went_away() {
    let (script, resource) = resource(exact());
    let lease = resource.acquire().await.unwrap();
    drop(tokio::time::timeout(ms(10), resource.close(ms(60_000))).await);
    drop(lease);
    sleep(ms(1)).await;
    assert_eq!((resource.state(), script.count("close")), (State::Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn closing_what_was_never_connected_takes_no_time() {
    let (script, resource) = resource(exact());
    let report = resource.close(ms(5_000)).await;
    assert!(report.is_clean());
    assert_eq!((script.elapsed(), resource.state()), (ms(0), State::Closed));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_dropped_closes_in_the_background() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    drop(resource);
    sleep(ms(1)).await;
    assert_eq!((script.count("close"), script.open.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn dropped_while_reconnecting_it_never_comes_back() {
    let (script, resource) = resource(exact());
    resource.connect().await.unwrap();
    Script::set(&script.connect, Does::Error(Fail::Refused));
    script.cut();
    sleep(ms(1_000)).await;
    drop(resource);
    sleep(ms(1)).await;
    let attempts = script.count("connect");
    Script::set(&script.connect, Does::Ok);
    sleep(Duration::from_secs(3_600)).await;
    assert_eq!((script.count("connect"), script.open.load(Ordering::SeqCst)), (attempts, 0));
}

#[test]
fn a_runtime_that_ends_closes_its_resources() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let resource = runtime.block_on(async {
        let (_script, resource) = resource(exact());
        resource.connect().await.unwrap();
        resource
    });
    // It ends as soon as the tasks have, which a machine that stands still delays.
    runtime.shutdown_timeout(Duration::from_secs(60));
    assert_eq!(resource.state(), State::Closed);
    assert_eq!(resource.try_acquire().unwrap_err().kind(), ErrorKind::Closed);
}

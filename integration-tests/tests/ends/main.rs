//! What becomes of a process's work in every way that it can end, on real servers: docs/guide/ends.md.

mod service;

use integration_tests::ends::{CONFIRMED, FORGOTTEN, ROWS};
use rustix::process::Signal;
use service::{Left, Service};

/// Everything that was taken is where it belongs, and the servers have heard a goodbye.
fn all_is_stored(left: &Left) {
    assert_eq!(left.in_memory, ROWS, "{}", left.said);
    assert_eq!(left.spilled, ROWS, "{}", left.said);
    assert_eq!(left.messages, CONFIRMED + FORGOTTEN, "{}", left.said);
    assert!(!left.said.contains("dropped"), "{}", left.said);
    assert!(!left.said.contains("forced"), "{}", left.said);
}

/// What nothing can take away: what was confirmed, and what the disk has.
fn what_was_promised_is_kept(left: &Left) {
    assert!((CONFIRMED..=CONFIRMED + FORGOTTEN).contains(&left.messages), "{}", left.messages);
    assert_eq!(left.spilled + left.on_disk, ROWS, "{}", left.said);
    assert!(left.in_memory == 0 || left.in_memory == ROWS, "{}", left.in_memory);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_run_a_return_and_a_signal_store_everything() {
    for (way, signal) in [("run-return", None), ("run-serve", Some(Signal::TERM))] {
        let service = Service::ready(way).await;
        if let Some(signal) = signal {
            service.signal(signal);
        }
        let left = service.end().await;
        all_is_stored(&left);
        assert_eq!((left.code, &*left.said), (Some(0), ""), "nothing is printed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_run_a_panic_stores_everything_and_then_goes_on() {
    let left = Service::ready("run-panic").await.end().await;
    all_is_stored(&left);
    assert_eq!(left.code, Some(101), "{}", left.said);
    assert_eq!(left.said.matches("the market is shut").count(), 1, "told once: {}", left.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_run_an_error_and_a_task_that_panics_are_told_once_and_take_nothing_away() {
    for (way, code) in [("run-error", 1), ("run-task", 0)] {
        let left = Service::ready(way).await.end().await;
        all_is_stored(&left);
        assert_eq!(left.code, Some(code), "{}", left.said);
        assert_eq!(left.said.matches("the market is shut").count(), 1, "{}", left.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_run_a_second_signal_ends_it_at_once_and_keeps_what_was_promised() {
    let mut service = Service::ready("run-stubborn").await;
    service.signal(Signal::TERM);
    service.until("closing").await;
    service.signal(Signal::TERM);
    let left = service.end().await;
    assert_eq!(left.code, Some(1), "{}", left.said);
    assert!(left.said.contains("closed in"), "the report: {}", left.said);
    what_was_promised_is_kept(&left);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_guard_a_return_an_error_and_a_panic_store_everything() {
    for (way, code) in [("guard-return", 0), ("guard-error", 1), ("guard-panic", 101)] {
        let left = Service::ready(way).await.end().await;
        all_is_stored(&left);
        assert_eq!(left.code, Some(code), "{}", left.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_while_the_process_goes_on_is_stored_and_closed_in_the_background() {
    let mut service = Service::ready("drop").await;
    service.until("dropped").await;
    // The process is still there, and its connections are not.
    service.is_gone_from_the_servers().await;
    let left = service.end().await;
    assert_eq!(left.code, Some(0), "{}", left.said);
    assert_eq!((left.in_memory, left.spilled), (ROWS, ROWS), "{}", left.said);
    assert_eq!(left.messages, CONFIRMED + FORGOTTEN, "{}", left.said);
    assert!(left.said.contains("dropped without being closed"), "{}", left.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_or_a_panic_without_a_close_keeps_what_was_promised_and_tells_of_the_rest() {
    for (way, code) in [("return", 0), ("panic", 101)] {
        let left = Service::ready(way).await.end().await;
        what_was_promised_is_kept(&left);
        assert_eq!(left.code, Some(code), "{}", left.said);
        let told = left.said.contains("dropped with rows that were not stored");
        assert!(left.in_memory == ROWS || told, "lost and not told: {}", left.said);
        assert!(left.said.contains("dropped without being closed"), "{}", left.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_and_a_kill_keep_what_was_promised_and_can_tell_nothing() {
    for (way, signal, code) in [
        ("exit", None, Some(3)),
        ("wait", Some(Signal::KILL), None),
        // Without `run` nobody listens, and the kernel ends it.
        ("wait", Some(Signal::TERM), None),
    ] {
        let service = Service::ready(way).await;
        if let Some(signal) = signal {
            service.signal(signal);
        }
        let left = service.end().await;
        what_was_promised_is_kept(&left);
        assert_eq!((left.code, left.in_memory, &*left.said), (code, 0, ""), "{way}");
        assert_eq!(left.on_disk, ROWS, "no row of the spill was sent before");
    }
}

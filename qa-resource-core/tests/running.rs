//! Running operations on a scripted backend, in virtual time: bounds, retries, budget.

mod common;

use common::{Fail, Plain, Script, exact, ms};
use qa_resource_core::{ErrorKind, Outcome, Resource, Settings};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::sleep;

fn resource(settings: Settings) -> (std::sync::Arc<Script>, Resource<Plain>) {
    let script = Script::new();
    (script.clone(), Resource::new("r", common::Scripted(script), settings))
}

#[tokio::test(start_paused = true)]
async fn run_retries_what_was_not_applied_and_nothing_else() {
    let (_script, resource) = resource(exact());
    let tries = AtomicUsize::new(0);
    let count = &tries;
    let run = |fail| {
        resource.run(move |_lease| {
            let nth = tries_add(count);
            async move { if nth < 3 { Err(fail) } else { Ok(nth) } }
        })
    };
    assert_eq!(run(Fail::Refused).await.unwrap(), 3);
    tries.store(0, Ordering::SeqCst);
    let error = run(Fail::Cut).await.unwrap_err();
    assert_eq!((tries.load(Ordering::SeqCst), error.outcome()), (1, Outcome::Unknown));
    tries.store(0, Ordering::SeqCst);
    assert_eq!(run(Fail::No).await.unwrap_err().kind(), ErrorKind::Operation);
    assert_eq!(tries.load(Ordering::SeqCst), 1);
    tries.store(0, Ordering::SeqCst);
    let done = resource.run_idempotent(|_lease| {
        let nth = tries_add(&tries);
        async move { if nth < 3 { Err(Fail::Cut) } else { Ok(nth) } }
    });
    assert_eq!(done.await.unwrap(), 3);
}

fn tries_add(tries: &AtomicUsize) -> usize {
    tries.fetch_add(1, Ordering::SeqCst) + 1
}

/// A loop of the caller around a run: its errors say that retries were spent on them already.
#[tokio::test(start_paused = true)]
async fn retries_do_not_multiply() {
    let (_script, resource) = resource(exact());
    let tries = AtomicUsize::new(0);
    let outer = resource.clone();
    let mut calls = 0;
    let error = loop {
        calls += 1;
        let once = outer.run(|_lease| {
            tries.fetch_add(1, Ordering::SeqCst);
            async { Err::<(), _>(Fail::Refused) }
        });
        let error = once.await.unwrap_err();
        if !error.is_retryable() {
            break error;
        }
    };
    assert!(error.is_spent());
    assert_eq!((calls, tries.load(Ordering::SeqCst)), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_lasting_fault_uses_the_retry_budget_up() {
    let (_script, resource) = resource(exact());
    let tries = AtomicUsize::new(0);
    for _ in 0..100 {
        let _ = resource
            .run(|_lease| {
                tries.fetch_add(1, Ordering::SeqCst);
                async { Err::<(), _>(Fail::Refused) }
            })
            .await;
    }
    assert_eq!(tries.load(Ordering::SeqCst), 110);
    assert_eq!(resource.status().stats.retries, 10);
}

#[tokio::test(start_paused = true)]
async fn run_is_bounded_and_its_outcome_then_unknown() {
    let (script, resource) = resource(Settings { operation_timeout: ms(700), ..exact() });
    resource.connect().await.unwrap();
    let error =
        resource.run(|_lease| std::future::pending::<Result<(), Fail>>()).await.unwrap_err();
    assert_eq!(script.elapsed(), ms(700));
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    // And the connection is checked at once.
    sleep(ms(1)).await;
    assert_eq!(script.times("ping"), [0, 700].map(ms));
}

//! Running operations on a scripted backend, in virtual time: bounds, retries, budget.

mod common;

use common::{Fail, Plain, Script, exact, ms};
use qa_resource_core::{ErrorKind, Lease, Outcome, Resource, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::{JoinSet, yield_now};
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

fn narrow(places: u32) -> Settings {
    Settings { max_in_flight: Some(places), ..exact() }
}

/// An operation that never ends, under way.
async fn stuck(resource: &Resource<Plain>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let stuck = resource.clone();
    tasks.spawn(async move {
        let _ = stuck.run(async |_lease| std::future::pending::<Result<(), Fail>>().await).await;
    });
    while resource.status().leases == 0 {
        yield_now().await;
    }
    tasks
}

#[tokio::test(start_paused = true)]
async fn so_many_operations_are_under_way_at_once_and_the_others_wait_in_order() {
    let (script, resource) = resource(narrow(2));
    resource.connect().await.unwrap();
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for number in 0..6 {
        let (resource, under_way, most) = (resource.clone(), under_way.clone(), most.clone());
        tasks.spawn(async move {
            let op = |_lease| {
                let (under_way, most) = (&under_way, &most);
                async move {
                    most.fetch_max(tries_add(under_way), Ordering::SeqCst);
                    sleep(ms(100)).await;
                    under_way.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, Fail>(number)
                }
            };
            resource.run(op).await.unwrap()
        });
        yield_now().await;
    }
    let mut ended = Vec::new();
    while let Some(number) = tasks.join_next().await {
        ended.push(number.unwrap() / 2);
    }
    assert_eq!(ended, [0, 0, 1, 1, 2, 2]);
    assert_eq!((most.load(Ordering::SeqCst), script.elapsed()), (2, ms(300)));
    assert_eq!(resource.status().stats.operations, 6, "a wait in line is no operation");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_does_not_move_is_an_overload_and_holds_no_lease() {
    let (script, resource) = resource(Settings { acquire_timeout: ms(500), ..narrow(0) });
    resource.connect().await.unwrap();
    let _stuck = stuck(&resource).await;
    let waiting = resource.run(async |_lease| Ok::<_, Fail>(()));
    let (result, ()) = tokio::join!(waiting, async {
        sleep(ms(100)).await;
        assert_eq!(resource.status().leases, 1);
    });
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Overloaded, Outcome::NotApplied));
    assert!(error.is_spent());
    assert!(error.message().contains("`max_in_flight` is 1"), "{error}");
    assert_eq!(script.elapsed(), ms(500));
}

/// What hangs on a lost connection has a place there, and none on the next one.
#[tokio::test(start_paused = true)]
async fn a_fresh_connection_has_fresh_places() {
    let (script, resource) = resource(narrow(1));
    resource.connect().await.unwrap();
    let _stuck = stuck(&resource).await;
    let waiting = resource.run(async |lease| Ok::<_, Fail>(lease.number));
    let (result, ()) = tokio::join!(waiting, async {
        sleep(ms(100)).await;
        script.cut();
    });
    assert_eq!(result.unwrap(), 2);
    assert!(script.elapsed() < exact().acquire_timeout);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_line_hears_of_a_close_at_once() {
    let (script, resource) = resource(narrow(1));
    resource.connect().await.unwrap();
    let _stuck = stuck(&resource).await;
    let waiting = resource.run(async |_lease| Ok::<_, Fail>(()));
    let (error, report) = tokio::join!(
        async {
            let error = waiting.await.unwrap_err();
            assert_eq!(script.elapsed(), ms(100));
            error
        },
        async {
            sleep(ms(100)).await;
            resource.close(ms(200)).await
        }
    );
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(!report.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_lease_knows_how_much_time_its_operation_has_left() {
    let settings = Settings { operation_timeout: ms(1_000), ..exact() };
    let (_, resource) = resource(settings);
    let lease = resource.acquire().await.unwrap();
    sleep(ms(100)).await;
    assert_eq!(lease.time_left(), ms(1_000), "nobody ends what is done with it");
    drop(lease);
    let mut left = Vec::new();
    let twice = |lease: Lease<Plain>| {
        left.push(lease.time_left());
        let first = left.len() == 1;
        async move {
            sleep(ms(400)).await;
            if first { Err(Fail::Refused) } else { Ok(lease.time_left()) }
        }
    };
    let last = resource.run(twice).await.unwrap();
    assert_eq!(left, [ms(1_000), ms(500)], "the first attempt and the pause count");
    assert_eq!(last, ms(100));
    let error = resource.run(async |lease| {
        let left = lease.time_left();
        sleep(left * 2).await;
        Ok::<_, Fail>(())
    });
    assert_eq!(error.await.unwrap_err().kind(), ErrorKind::Timeout);
}

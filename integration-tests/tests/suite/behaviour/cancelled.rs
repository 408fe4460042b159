//! With operations that are dropped at any moment.

use super::PATIENCE;
use futures_util::future::join_all;
use integration_tests::{Proxied, Subject, eventually};
use qa_pool::{Settings, State};
use qa_servers::proxy::{Faults, Way};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const TASKS: u64 = 100;
const EACH: u64 = 100;

/// Each way, so that an operation is most of the time on its way, and can be dropped there.
const LATENCY: Duration = Duration::from_millis(10);

/// How many operations were answered, how many dropped, and how long the last one took.
#[derive(Default)]
struct Tally {
    kept: AtomicU64,
    dropped: AtomicU64,
    took: AtomicU64,
}

pub(crate) async fn cancelled_operations_misdeliver_nothing<S: Subject>() {
    let settings = Settings {
        // A busy machine is not what is tested here.
        operation_timeout: PATIENCE,
        health_timeout: PATIENCE,
        // Nor is a line before the server.
        max_in_flight: u32::try_from(TASKS).ok(),
        ..Settings::default()
    };
    let proxied = Arc::new(Proxied::<S>::connected("cancelled", settings).await);
    let rig = &proxied.rig;
    proxied.proxy.set(Faults::both(Way { latency: LATENCY, ..Way::default() }));
    let before = rig.status().stats.operations;
    let tally = Arc::new(Tally::default());
    let tasks = (1..=TASKS).map(|task| {
        let (proxied, tally) = (Arc::clone(&proxied), Arc::clone(&tally));
        tokio::spawn(async move {
            for number in task * EACH..(task + 1) * EACH {
                ask_or_drop(&proxied, &tally, number).await;
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }

    let (kept, dropped) = (tally.kept.load(Relaxed), tally.dropped.load(Relaxed));
    eprintln!("{}: {kept} answered, {dropped} dropped", S::SYSTEM);
    assert!(kept.min(dropped) >= TASKS * EACH / 10);
    let status = rig.status();
    assert_eq!(status.leases, 0, "every lease came back");
    assert_eq!(status.stats.operations - before, TASKS * EACH, "each had one");
    assert_eq!((status.stats.errors, status.stats.retries), (0, 0));
    assert_eq!((status.state, status.generation, status.stats.disconnects), (State::Ready, 1, 0));

    proxied.proxy.heal();
    rig.use_it(1).await.unwrap();
    eventually("no connection more than before", PATIENCE, async || {
        (S::CONNECTIONS..=S::MOST_CONNECTIONS).contains(&proxied.connections())
    })
    .await;
    Arc::into_inner(proxied).unwrap().close().await;
}

/// Asks for a number, which must be the answer, and half of the times loses patience at any moment
/// of the time that the last operation took.
async fn ask_or_drop<S: Subject>(proxied: &Proxied<S>, tally: &Tally, number: u64) {
    let took = Duration::from_micros(tally.took.load(Relaxed));
    let patience = if fastrand::bool() { took.mul_f64(fastrand::f64()) } else { PATIENCE };
    let began = Instant::now();
    match timeout(patience, proxied.rig.echo(number)).await {
        Ok(answer) => {
            answer.unwrap();
            tally.kept.fetch_add(1, Relaxed);
            let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            tally.took.store(took, Relaxed);
        }
        Err(_) => drop(tally.dropped.fetch_add(1, Relaxed)),
    }
}

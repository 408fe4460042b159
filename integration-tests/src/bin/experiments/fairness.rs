//! E14: many that wait for one resource, and whether each lease that is given comes back.

use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Proxied, Subject, reaches};
use qa_pool::{ErrorKind, Group, Settings, State};
use qa_servers::proxy::Faults;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, interval, sleep, timeout};

/// How long those wait that lose their patience.
const IMPATIENCE: Duration = Duration::from_secs(2);

/// Until a state is reached that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits begin within this time, so that not all of them end at one moment.
const ARRIVALS: Duration = Duration::from_secs(1);

/// Tasks that borrow.
const BORROWERS: u64 = 8;

/// A fresh connection is asked for so often meanwhile, so that borrowers have to wait.
const RENEWALS: Duration = Duration::from_millis(250);

/// What became of those that wait for a resource that is down and then comes back.
#[derive(Debug)]
struct Queue {
    /// When each one that stayed was served, from when the first one was.
    served: Vec<Duration>,
    unserved: usize,
}

pub(crate) async fn waiters<S: Subject>(run: Run) -> Vec<Figure> {
    let (waiters, borrows) = (run.pick(200, 1_000), run.pick(20_000, 1_000_000));
    run.progress(&format!("{waiters} wait until their time is over"));
    let (late, otherwise) = impatient::<S>(waiters).await;
    run.progress(&format!("{waiters} wait until it is back"));
    let queue = patient::<S>(waiters).await;
    run.progress(&format!("{borrows} borrow"));
    let (borrowed, counted, left) = borrow::<S>(borrows).await;
    vec![
        Figure::seconds("timeout after its time", &late).p99_at_most(0.05),
        Figure::count("waits that ended otherwise", otherwise).of(waiters).is(0.0),
        Figure::seconds("served after the first", &queue.served)
            .note("callers share one client, so all are served at once and in no order"),
        Figure::count("stayed and was not served", queue.unserved).of(queue.served.len()).is(0.0),
        Figure::count("leases counted less those lent", counted.abs_diff(borrowed))
            .of(usize::try_from(borrowed).unwrap_or(usize::MAX))
            .is(0.0)
            .note(
                "with waits that are dropped at random, and a fresh connection four times a second",
            ),
        Figure::count("leases left", left).is(0.0),
    ]
}

/// A resource that is being reconnected and can't be.
async fn down<S: Subject>(name: &str, acquire_timeout: Duration) -> Proxied<S> {
    let backoff_cap = Duration::from_millis(500);
    let settings = Settings { acquire_timeout, backoff_cap, ..Settings::default() };
    let proxied = Proxied::connected(name, settings).await;
    proxied.proxy.set(Faults::refused());
    proxied.proxy.reset();
    reaches(&proxied.rig.group, State::Reconnecting, PATIENCE).await;
    proxied
}

/// By how much each wait was longer than it may be, and how many did not end by that.
async fn impatient<S: Subject>(waiters: usize) -> (Vec<Duration>, usize) {
    let proxied = down::<S>("impatient", IMPATIENCE).await;
    let mut waits = JoinSet::new();
    for _ in 0..waiters {
        let group = proxied.rig.group.clone();
        waits.spawn(async move {
            sleep(ARRIVALS.mul_f64(fastrand::f64())).await;
            let began = Instant::now();
            let kind = group.acquire().await.err().map(|error| error.kind());
            (began.elapsed(), kind)
        });
    }
    let ended = waits.join_all().await;
    let by_time =
        |(took, kind): &(Duration, _)| *kind == Some(ErrorKind::Timeout) && *took >= IMPATIENCE;
    let otherwise = ended.iter().filter(|ended| !by_time(ended)).count();
    proxied.proxy.heal();
    reaches(&proxied.rig.group, State::Ready, PATIENCE).await;
    proxied.close().await;
    (ended.into_iter().map(|(took, _)| took.saturating_sub(IMPATIENCE)).collect(), otherwise)
}

/// Waiters of which every fifth goes away; the others stay until the resource is back.
async fn patient<S: Subject>(waiters: usize) -> Queue {
    let proxied = down::<S>("patient", PATIENCE).await;
    let arrived = Arc::new(AtomicUsize::new(0));
    let mut waits = JoinSet::new();
    for nth in 0..waiters {
        let (group, arrived) = (proxied.rig.group.clone(), Arc::clone(&arrived));
        let patience = if nth % 5 == 0 { ARRIVALS.mul_f64(fastrand::f64()) } else { PATIENCE };
        waits.spawn(async move {
            arrived.fetch_add(1, Relaxed);
            let waited = timeout(patience, group.acquire()).await;
            let stayed = nth % 5 != 0;
            stayed.then(|| waited.is_ok_and(|lease| lease.is_ok()).then(Instant::now))
        });
    }
    while arrived.load(Relaxed) < waiters {
        yield_now().await;
    }
    proxied.proxy.heal();
    let stayed: Vec<_> = waits.join_all().await.into_iter().flatten().collect();
    let served: Vec<_> = stayed.iter().flatten().copied().collect();
    let first = served.iter().min().copied();
    proxied.close().await;
    Queue {
        unserved: stayed.len() - served.len(),
        served: served.iter().map(|at| at.duration_since(first.unwrap_or(*at))).collect(),
    }
}

/// So many leases, taken and given back by many while the connection is renewed under them: how
/// many the borrowers had, how many the resource says it gave, and how many are still out.
async fn borrow<S: Subject>(borrows: u64) -> (u64, u64, usize) {
    let proxied = Proxied::<S>::connected("borrow", Settings::default()).await;
    let before = proxied.rig.status().stats.operations;
    let lent = Arc::new(AtomicU64::new(0));
    let borrowers = (0..BORROWERS).map(|_| {
        tokio::spawn(borrower(proxied.rig.group.clone(), borrows / BORROWERS, Arc::clone(&lent)))
    });
    let borrowers: Vec<_> = borrowers.collect();
    let renewing = async {
        let mut renewals = interval(RENEWALS);
        loop {
            renewals.tick().await;
            proxied.rig.group.members().iter().for_each(qa_pool::Resource::reconnect);
        }
    };
    tokio::select! {
        () = renewing => {}
        ended = join_all(borrowers) => ended.into_iter().for_each(Result::unwrap),
    }
    let status = proxied.rig.status();
    reaches(&proxied.rig.group, State::Ready, PATIENCE).await;
    proxied.close().await;
    (lent.load(Relaxed), status.stats.operations - before, status.leases)
}

/// Borrows until it had so many leases; one in eight tries it gives up after a moment.
async fn borrower<B: qa_pool::Backend>(group: Group<B>, borrows: u64, lent: Arc<AtomicU64>) {
    let mut had = 0;
    while had < borrows {
        let patience = match fastrand::u8(..8) {
            0 => Duration::from_micros(fastrand::u64(..2_000)),
            _ => PATIENCE,
        };
        let Ok(Ok(lease)) = timeout(patience, group.acquire()).await else { continue };
        had += 1;
        if had % 64 == 0 {
            // Some are held over an await, so that a renewal finds them out.
            yield_now().await;
        }
        drop(lease);
    }
    lent.fetch_add(had, Relaxed);
}

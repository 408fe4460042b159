//! E15: operations that are dropped wherever they are, on a slow way to the server.

use crate::changes::{because, changes};
use crate::load::number;
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Proxied, Subject};
use qa_pool::core::Transition;
use qa_pool::{Settings, State};
use qa_servers::proxy::{Faults, Way};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep, timeout};

/// Operations under way at a time, for each resource.
const AT_ONCE: usize = 5;

/// Each way: a round trip takes 100 ms.
const LATENCY: Duration = Duration::from_millis(50);

/// A drop comes within this time, or within so many wake-ups.
const LONGEST: Duration = Duration::from_millis(500);
const MOST_WAKE_UPS: u32 = 10;

/// Until connections are as they were, at the most.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of operations.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    dropped: usize,
    answered: usize,
    failed: usize,
    misdelivered: usize,
}

impl Tally {
    fn add(self, other: Self) -> Self {
        Self {
            dropped: self.dropped + other.dropped,
            answered: self.answered + other.answered,
            failed: self.failed + other.failed,
            misdelivered: self.misdelivered + other.misdelivered,
        }
    }
}

/// What became of one resource.
struct Ended {
    tally: Tally,
    restored: Duration,
    leases: usize,
    changes: Vec<Transition>,
}

/// Drops operations of many resources, each with its own way to the server.
pub(crate) async fn operations<S: Subject>(run: Run) -> Vec<Figure> {
    let (resources, drops) = (run.pick(4, 20), run.pick(400, 10_000));
    let each = drops / resources;
    run.progress(&format!("{drops} operations are dropped, of {resources} resources"));
    let over = Barrier::new(resources);
    let ended = join_all((0..resources).map(|nth| one::<S>(nth, each, &over))).await;
    let tally = ended.iter().map(|ended| ended.tally).fold(Tally::default(), Tally::add);
    let restored: Vec<_> = ended.iter().map(|ended| ended.restored).collect();
    let leases: usize = ended.iter().map(|ended| ended.leases).sum();
    let changes: Vec<_> = ended.into_iter().flat_map(|ended| ended.changes).collect();
    let lost = changes.iter().filter(|change| change.to == State::Reconnecting).count();
    run.progress(&format!("{tally:?}"));
    let (least, most) = (S::CONNECTIONS, S::MOST_CONNECTIONS);
    let limit = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    vec![
        Figure::count("dropped", tally.dropped)
            .must(&format!("≥ {drops}"), tally.dropped >= drops)
            .note("at a random time or after a random number of wake-ups; every fifth is kept"),
        Figure::count("answers to another question", tally.misdelivered).of(tally.answered).is(0.0),
        Figure::count("kept ones that failed", tally.failed).of(tally.answered).is(0.0),
        Figure::seconds("connections as before", &restored).p99_at_most(1.0).note(format!(
            "and a question answered, once all have dropped theirs; {} has {limit} for a resource",
            S::SYSTEM
        )),
        Figure::count("leases left", leases).is(0.0),
        because(Figure::count("connections lost by it", lost).is(0.0), &changes),
    ]
}

async fn one<S: Subject>(nth: usize, drops: usize, over: &Barrier) -> Ended {
    let proxied = Proxied::<S>::connected(&format!("dropped-{nth}"), Settings::default()).await;
    let mut watch = proxied.rig.group.watch();
    proxied.proxy.set(Faults::both(Way { latency: LATENCY, ..Way::default() }));
    let workers = (0..AT_ONCE).map(|_| work(&proxied, drops.div_ceil(AT_ONCE)));
    let storm = join_all(workers).await.into_iter().fold(Tally::default(), Tally::add);
    proxied.proxy.heal();
    // Each drop costs a client without a protocol of its own a connection: while others go on, the
    // server's line for new ones may be full, and who is not let in tries again after a second.
    over.wait().await;
    let began = Instant::now();
    let first = kept(&proxied).await;
    wait_for_connections(&proxied).await;
    let restored = began.elapsed();
    // A client that took an answer for another's would now be one behind.
    let afterwards = join_all((0..AT_ONCE * 4).map(|_| kept(&proxied))).await;
    let tally = afterwards.into_iter().fold(storm.add(first), Tally::add);
    let (leases, changes) = (proxied.rig.status().leases, changes(&mut watch));
    proxied.close().await;
    Ended { tally, restored, leases, changes }
}

/// Drops so many operations, one after the other; every fifth is kept.
async fn work<S: Subject>(proxied: &Proxied<S>, drops: usize) -> Tally {
    let mut tally = Tally::default();
    while tally.dropped < drops {
        let next = match fastrand::u8(..5) {
            0 => kept(proxied).await,
            _ => dropped(proxied).await,
        };
        tally = tally.add(next);
    }
    tally
}

async fn kept<S: Subject>(proxied: &Proxied<S>) -> Tally {
    let number = number();
    judge(number, Some(&S::echo(&proxied.rig.group, number).await))
}

/// Drops an operation, unless it is done before.
async fn dropped<S: Subject>(proxied: &Proxied<S>) -> Tally {
    let number = number();
    let operation = S::echo(&proxied.rig.group, number);
    let answer = if fastrand::bool() {
        for_wake_ups(operation, fastrand::u32(..MOST_WAKE_UPS)).await
    } else {
        timeout(LONGEST.mul_f64(fastrand::f64()), operation).await.ok()
    };
    judge(number, answer.as_ref())
}

fn judge(number: u64, answer: Option<&qa_pool::Result<u64>>) -> Tally {
    let mut tally = Tally::default();
    match answer {
        None => tally.dropped = 1,
        Some(Err(_)) => tally.failed = 1,
        Some(Ok(answer)) => {
            tally.answered = 1;
            tally.misdelivered = usize::from(*answer != number);
        }
    }
    tally
}

/// What `future` gives, unless it still waits after having been woken so many times.
async fn for_wake_ups<T>(future: impl Future<Output = T>, mut wake_ups: u32) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if wake_ups == 0 => Poll::Ready(None),
        Poll::Pending => {
            wake_ups -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Waits until a resource has the connections that it should have, or has had the time for it.
///
/// The proxy is asked and not the kernel, whose table has thousands of closed connections by now: to
/// read it for each resource costs more time than what is measured.
async fn wait_for_connections<S: Subject>(proxied: &Proxied<S>) {
    let deadline = Instant::now() + PATIENCE;
    let is_as_before = |open: u64| {
        usize::try_from(open)
            .is_ok_and(|open| (S::CONNECTIONS..=S::MOST_CONNECTIONS).contains(&open))
    };
    while !is_as_before(proxied.proxy.counts().open) && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
}

//! E8: whether anything that is counted once is counted twice.

use super::PATIENCE;
use crate::passing::until;
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::{Proxied, Redis, within};
use qa_pool::redis::redis::{AsyncCommands, cmd};
use qa_pool::{Group, Outcome, Settings, redis};
use qa_servers::proxy::{Ending, FaultProxy, Faults, Way};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

const KEY: &str = "counted";

/// How long a fault that lasts goes on, and what is between two at the most.
const LASTS: Duration = Duration::from_secs(1);
pub(super) const BETWEEN: Duration = Duration::from_secs(1);

/// How many a second are counted.
const RATE: u32 = 500;

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Reset,
    CutMidway,
    /// Nothing comes through, for longer than an answer may take.
    Silence,
    /// What is asked arrives, and no answer comes back.
    NoAnswers,
}

/// Counts one by one under faults, and compares the counter with what was said.
pub(crate) async fn counter(run: Run) -> Vec<Figure> {
    let faults = run.pick(4, 60);
    let proxied = Proxied::<Redis>::connected("counter", Settings::default()).await;
    let group = &proxied.rig.group;
    let () = group.run(|lease| async move { lease.clone().set(KEY, 0).await }).await.unwrap();
    let (done, over) = tokio::sync::watch::channel(false);
    let striking = async {
        for number in 0..faults {
            until(Instant::now() + BETWEEN.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            let fault = Fault::ALL[number % Fault::ALL.len()];
            run.progress(&format!("fault {} of {faults}: {fault:?}", number + 1));
            fault.strike(&proxied.proxy).await;
        }
        done.send_replace(true);
    };
    let ((), ends) = tokio::join!(striking, count(group, over));
    proxied.proxy.heal();
    let counted: u64 = within("the counter", PATIENCE, async {
        loop {
            let read = group.run_idempotent(|lease| async move {
                // Behind everything that may still be on its way.
                let mut client = lease.clone();
                cmd("PING").exec_async(&mut client).await?;
                client.get(KEY).await
            });
            if let Ok(counted) = read.await {
                return counted;
            }
        }
    })
    .await;
    proxied.rig.close().await;
    judge(&ends, counted, faults)
}

impl Fault {
    /// In the order in which they come.
    pub(super) const ALL: [Self; 4] =
        [Self::Reset, Self::CutMidway, Self::Silence, Self::NoAnswers];

    pub(super) async fn strike(self, proxy: &FaultProxy) {
        match self {
            Self::Reset => return proxy.reset(),
            Self::CutMidway => {
                let after = fastrand::u64(1..4_000);
                let way = Way { cut_after: Some((after, Ending::Close)), ..Way::default() };
                proxy.set(Faults::both(way));
            }
            Self::Silence => proxy.set(Faults::silent()),
            Self::NoAnswers => {
                let back = Way { silent: true, ..Way::default() };
                proxy.set(Faults { to_client: back, ..Faults::default() });
            }
        }
        let lasts = if matches!(self, Self::CutMidway) { LASTS } else { 4 * LASTS };
        until(Instant::now() + lasts).await;
        proxy.heal();
    }
}

/// How one that was to be counted ended: well, surely not, or nobody knows.
type End = Result<(), Outcome>;

/// Counts at a steady rate for as long as there are faults.
async fn count(group: &Group<redis::Redis>, over: tokio::sync::watch::Receiver<bool>) -> Vec<End> {
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut running, mut ends) = (JoinSet::new(), Vec::new());
    while !*over.borrow() {
        ticks.tick().await;
        let group = group.clone();
        running.spawn(async move {
            let one = group
                .run(|lease| async move { lease.clone().incr::<_, _, u64>(KEY, 1).await })
                .await;
            one.map(drop).map_err(|error| error.outcome())
        });
        while let Some(ended) = running.try_join_next() {
            ends.push(ended.unwrap());
        }
    }
    ends.extend(within("every one ends", PATIENCE, running.join_all()).await);
    ends
}

fn judge(ends: &[End], counted: u64, faults: usize) -> Vec<Figure> {
    let all = |wanted: &[End]| ends.iter().filter(|end| wanted.contains(end)).count();
    let (well, not, unknown) =
        (all(&[Ok(())]), all(&[Err(Outcome::NotApplied)]), all(&[Err(Outcome::Unknown)]));
    let counted = usize::try_from(counted).unwrap_or(usize::MAX);
    let lost = well.saturating_sub(counted);
    let twice = counted.saturating_sub(well + unknown);
    vec![
        Figure::count("counted less than was said to be", lost).of(well).is(0.0),
        Figure::count("counted more than can have been", twice)
            .of(ends.len())
            .is(0.0)
            .note("more than those that were said to be, and those of which nobody knows"),
        Figure::share("said to be counted", well, ends.len()),
        Figure::count("said not to be", not).of(ends.len()),
        Figure::count("left unknown", unknown).of(ends.len()),
        Figure::count("of them counted", counted.saturating_sub(well)).of(unknown),
        Figure::count("faults", faults)
            .note("reset, cut midway, 4 s of silence, 4 s without answers, in turn"),
    ]
}

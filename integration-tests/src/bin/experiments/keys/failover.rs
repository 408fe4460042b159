//! E31: how long nothing is served while another server becomes the master.

use super::PATIENCE;
use super::replicated::{KEY, Replicated};
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::{Redis, Rig, eventually, within};
use qa_pool::{Group, Settings, redis};
use qa_servers::Server;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// What one write may take: those that meet a frozen server are given up and tried anew.
const WRITE_LIMIT: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// The master is killed.
    Killed,
    /// Another is chosen as it is told to; the old one lives, as a replica.
    HandedOver,
    /// The master says nothing any more.
    Frozen,
}

const CHANGES: [Change; 3] = [Change::Killed, Change::HandedOver, Change::Frozen];

/// What was measured of one change.
struct Measured {
    change: Change,
    /// Between the last write before and the first after that were answered.
    without_service: Duration,
    /// Of it, after the sentinels named the new master.
    after_the_choice: Duration,
}

/// Writes all the time while the master changes.
pub(crate) async fn failover(run: Run) -> Vec<Figure> {
    let rounds = run.pick(1, 5);
    let cluster = Replicated::start(run.against).await.unwrap();
    let rig = Rig::<Redis>::connected("failover", &cluster.url(), Settings::default()).await;
    let writes = Writes::start(&rig.group);
    let mut measured = Vec::new();
    for round in 0..rounds {
        for change in CHANGES {
            run.progress(&format!("round {} of {rounds}: {change:?}", round + 1));
            measured.push(one(&cluster, &writes, change).await);
            cluster.wait_ready(PATIENCE).await.unwrap();
        }
    }
    let misdirected = writes.stop().await;
    rig.close().await;
    cluster.remove().await;
    let mut figures: Vec<_> =
        CHANGES.into_iter().flat_map(|change| judge(change, &measured)).collect();
    figures.push(
        Figure::count("writes that a replica took", misdirected)
            .is(0.0)
            .note("answered as written although the server was no master"),
    );
    figures
}

fn judge(change: Change, measured: &[Measured]) -> [Figure; 2] {
    let of = |part: fn(&Measured) -> Duration| -> Vec<Duration> {
        measured.iter().filter(|one| one.change == change).map(part).collect()
    };
    let what = match change {
        Change::Killed => "master killed",
        Change::HandedOver => "master handed over",
        Change::Frozen => "master frozen",
    };
    let all = of(|one| one.without_service);
    let ours = of(|one| one.after_the_choice);
    [
        Figure::seconds(&format!("{what}: without service"), &all).note(
            "from the last write that was answered to the next; the others hold a master for lost \
             after a second",
        ),
        Figure::seconds(&format!("{what}: of it after the choice"), &ours).p99_at_most(2.0).note(
            "from when most sentinels, or the new master's own cluster, name it to the first write that \
             is answered",
        ),
    ]
}

async fn one(cluster: &Replicated, writes: &Writes, change: Change) -> Measured {
    let old = cluster.leader().await.unwrap();
    let struck = Instant::now();
    let new = change.strike(cluster, old).await;
    let chosen = Instant::now();
    let mut served = None;
    eventually("a write to the new master", PATIENCE, async || {
        served = writes.first_on(new.port(), struck);
        served.is_some()
    })
    .await;
    let (last, first) = served.unwrap();
    change.undo(old).await;
    Measured {
        change,
        without_service: first.saturating_duration_since(last),
        after_the_choice: first.saturating_duration_since(chosen),
    }
}

impl Change {
    /// The new master, as soon as it is chosen.
    async fn strike<'a>(self, cluster: &'a Replicated, old: &Server) -> &'a Server {
        match self {
            Self::HandedOver => return cluster.hand_over().await.unwrap(),
            Self::Killed => old.kill().await.unwrap(),
            Self::Frozen => old.freeze().await.unwrap(),
        }
        let other = async {
            loop {
                let leader = cluster.leader().await.unwrap();
                if leader.port() != old.port() {
                    return leader;
                }
            }
        };
        within("another master", PATIENCE, other).await
    }

    async fn undo(self, old: &Server) {
        match self {
            Self::HandedOver => {}
            Self::Killed => old.start_again().await.unwrap(),
            Self::Frozen => old.thaw().await.unwrap(),
        }
    }
}

/// A write every 10 ms, each answered with the port of the server that took it.
struct Writes {
    answered: Arc<Mutex<Vec<(Instant, u16, bool)>>>,
    task: JoinHandle<()>,
}

impl Writes {
    fn start(group: &Group<redis::Redis>) -> Self {
        let answered = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(write(group.clone(), Arc::clone(&answered)));
        Self { answered, task }
    }

    /// The last write before the first that this server answered after then, and that one.
    fn first_on(&self, port: u16, since: Instant) -> Option<(Instant, Instant)> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let first = answered.iter().position(|(when, by, _)| *by == port && *when > since)?;
        let last = first.checked_sub(1)?;
        Some((answered[last].0, answered[first].0))
    }

    /// How many writes were answered by one that was no master.
    async fn stop(self) -> usize {
        self.task.abort();
        let _ = self.task.await;
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.iter().filter(|(_, _, master)| !master).count()
    }
}

/// A server says in one piece that it wrote, who it is and what it is.
async fn write(group: Group<redis::Redis>, answered: Arc<Mutex<Vec<(Instant, u16, bool)>>>) {
    let mut ticks = interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0_u64;
    loop {
        ticks.tick().await;
        number += 1;
        let written = group.run(|lease| async move {
            let mut pipe = redis::redis::pipe();
            pipe.atomic().set(KEY, number).ignore();
            pipe.cmd("CONFIG").arg("GET").arg("port").cmd("ROLE");
            let (port, role): (std::collections::HashMap<String, u16>, Vec<redis::redis::Value>) =
                pipe.query_async(&mut lease.clone()).await?;
            let role = role.into_iter().next().unwrap_or(redis::redis::Value::Nil);
            Ok((port["port"], redis::redis::from_redis_value::<String>(role)? == "master"))
        });
        if let Ok(Ok((port, master))) = timeout(WRITE_LIMIT, written).await {
            let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
            answered.push((Instant::now(), port, master));
        }
    }
}

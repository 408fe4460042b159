//! E24: a group of two servers, of which the active one is killed, comes and goes, and is left by hand.

use crate::load::{Load, stop_all};
use crate::passing::until;
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, eventually, reaches};
use qa_pool::{
    Group, GroupEvent, GroupEvents, GroupSettings, Policy, Settings, State, SwitchReason,
};
use qa_servers::Server;
use qa_servers::proxy::{FaultProxy, Faults};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Until something that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// The main server is gone for so long, and there for so long.
const FLAP: Duration = Duration::from_secs(2);

/// Two servers, each behind a proxy, and the group of them.
struct Pair<S: Subject> {
    servers: [Server; 2],
    proxies: [FaultProxy; 2],
    rigs: [Rig<S>; 2],
    group: Group<S::Backend>,
    events: GroupEvents,
}

/// A switch that was told.
struct Switch {
    reason: SwitchReason,
    caused: bool,
    at: Instant,
}

impl<S: Subject> Pair<S> {
    async fn connected(failback_after: Duration) -> Self {
        let servers = [start::<S>().await, start::<S>().await];
        let (main, main_proxy) = reached(&servers[0], "main").await;
        let (spare, spare_proxy) = reached(&servers[1], "spare").await;
        let settings =
            GroupSettings { policy: Policy::Failover, failback_after, ..GroupSettings::default() };
        let members = [&main, &spare].map(|rig: &Rig<S>| rig.group.members().remove(0));
        let group = Group::of("pair", members, settings).unwrap();
        let events = group.events();
        group.connect().await.unwrap();
        reaches(&group, State::Ready, PATIENCE).await;
        Self { servers, proxies: [main_proxy, spare_proxy], rigs: [main, spare], group, events }
    }

    /// The next switch, if there is one within `limit`.
    async fn switch(&mut self, limit: Duration) -> Option<Switch> {
        let next = async {
            loop {
                if let GroupEvent::Switched { reason, cause, .. } = self.events.next().await? {
                    return Some(Switch { reason, caused: cause.is_some(), at: Instant::now() });
                }
            }
        };
        timeout(limit, next).await.ok().flatten()
    }

    /// Cuts the main server off.
    fn cut(&self) {
        self.proxies[0].set(Faults::refused());
        self.proxies[0].reset();
    }

    async fn main_is_back(&self) {
        reaches(&self.rigs[0].group, State::Ready, PATIENCE).await;
    }

    async fn close(self) {
        let report = self.group.close(PATIENCE).await;
        assert!(report.is_clean(), "{report}");
        for rig in self.rigs {
            rig.close().await;
        }
        for server in self.servers {
            server.remove().await;
        }
    }
}

async fn start<S: Subject>() -> Server {
    Server::start_owned(S::SYSTEM).await.unwrap()
}

async fn reached<S: Subject>(server: &Server, name: &str) -> (Rig<S>, FaultProxy) {
    let proxy = FaultProxy::open(server.port()).await;
    let reach = S::reach(server, Some(&proxy), name).await;
    (Rig::reaching(reach, Settings::default()), proxy)
}

/// What was seen of a pair.
#[derive(Default)]
struct Seen {
    switches: Vec<Switch>,
    /// From a kill or a cut until another one was active.
    took: Vec<Duration>,
    /// From a switch by hand until leases were the other's.
    by_hand: Vec<Duration>,
}

/// Everything on one pair.
pub(crate) async fn failover<S: Subject>(run: Run) -> Vec<Figure> {
    let grace = Duration::from_secs(run.pick(6, 30));
    let mut pair = Pair::<S>::connected(grace).await;
    let load = Load::start::<S>(&pair.group, 50);
    let seen = lose_and_return(&run, &mut pair).await;
    let (flapping, healed) = flap(&run, &mut pair).await;
    let failback = pair.switch(grace + PATIENCE).await;
    let quiet = pair.switch(FLAP).await.is_none();
    let operations = stop_all(vec![load], PATIENCE).await;
    pair.close().await;

    let back: Vec<_> = failback.iter().map(|switch| switch.at - healed).collect();
    let grace = grace.as_secs_f64();
    let in_time = |back: &Duration| (grace - 0.1..grace + 3.0).contains(&back.as_secs_f64());
    let all = seen.switches.iter().chain(&flapping).chain(&failback);
    let unexplained = all.clone().filter(|one| one.reason == SwitchReason::Failover && !one.caused);
    // The machine may have kept the spare waiting: then it was lost, and left for the main one.
    let returned = Figure::seconds("from its last return until it is active again", &back).must(
        &format!("{grace:.0} s, and 3 s to connect, and once"),
        quiet
            && failback.iter().all(|one| one.reason == SwitchReason::Failback)
            && back.len() == 1
            && back.iter().all(in_time),
    );
    let returned = match &failback {
        Some(one) if one.reason == SwitchReason::Failover => returned.note("the spare was lost"),
        _ => returned,
    };
    let failbacks = flapping.iter().filter(|one| one.reason == SwitchReason::Failback).count();
    let failed = operations.iter().flatten().filter(|one| one.error.is_some()).count();
    vec![
        Figure::seconds("from kill -9 or a cut until another is active", &seen.took)
            .p99_at_most(3.0),
        Figure::seconds("by hand, until leases are the other's", &seen.by_hand).at_most(0.1),
        Figure::count("switches while the main server comes and goes", flapping.len())
            .is(1.0)
            .note("2 s each way: it is left once"),
        Figure::count("ways back meanwhile", failbacks).is(0.0),
        returned,
        Figure::count("switches without a cause", unexplained.count()).of(all.count()).is(0.0),
        Figure::count("loads that hang", usize::from(operations.is_none())).is(0.0),
        Figure::share("operations that failed", failed, operations.map_or(0, |all| all.len())).note(
            "they are not to be done twice: what was under way when the server was lost may have \
             been done",
        ),
    ]
}

/// The main server is killed or cut off, comes back, and is made the active one by hand.
async fn lose_and_return<S: Subject>(run: &Run, pair: &mut Pair<S>) -> Seen {
    let (kills, cuts) = (run.pick(1, 3), run.pick(2, 20));
    let mut seen = Seen::default();
    for round in 0..kills + cuts {
        run.progress(&format!("round {} of {}", round + 1, kills + cuts));
        let began = Instant::now();
        if round < kills {
            pair.servers[0].kill().await.unwrap();
        } else {
            pair.cut();
        }
        let Some(switch) = pair.switch(PATIENCE).await else { break };
        seen.took.push(switch.at - began);
        seen.switches.push(switch);
        if round < kills {
            pair.servers[0].start_again().await.unwrap();
        }
        pair.proxies[0].heal();
        pair.main_is_back().await;
        let began = Instant::now();
        pair.group.switch_to("main").unwrap();
        seen.switches.extend(pair.switch(PATIENCE).await);
        eventually("leases of the main server", PATIENCE, async || {
            pair.group.acquire().await.is_ok_and(|lease| &**lease.resource() == "main")
        })
        .await;
        seen.by_hand.push(began.elapsed());
    }
    seen
}

/// The main server comes and goes; gives the switches, and when it came to stay.
async fn flap<S: Subject>(run: &Run, pair: &mut Pair<S>) -> (Vec<Switch>, Instant) {
    let time = Duration::from_secs(run.pick(8, 60));
    run.progress(&format!("the main server comes and goes for {time:?}"));
    let (mut healed, end) = (Instant::now(), Instant::now() + time);
    while healed + FLAP < end {
        pair.cut();
        until(Instant::now() + FLAP).await;
        pair.proxies[0].heal();
        healed = Instant::now();
        until(healed + FLAP).await;
    }
    let mut switches = Vec::new();
    while let Some(switch) = pair.switch(Duration::from_millis(50)).await {
        switches.push(switch);
    }
    (switches, healed)
}

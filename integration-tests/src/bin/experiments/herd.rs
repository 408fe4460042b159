//! E11: many resources that lose their server at once, and how they come back.

use crate::passing::{most_until, until};
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, reaches, servers};
use qa_pool::core::{DIAL_LIMIT, Recovery, Stats};
use qa_pool::{Backend, Settings, State};
use qa_servers::proxy::{Door, FaultProxy, Faults};
use qa_servers::testing::connected;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// Until a state is reached that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time in which connections count as coming at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Resources of one subject, each behind a proxy of its own, so that it is known whose connection
/// it is that comes.
pub(crate) struct Herd<S: Subject> {
    rigs: Vec<Rig<S>>,
    proxies: Vec<FaultProxy>,
    _network: Network,
}

/// A runtime with a thread of its own for the proxies: where many log in at once, whose drivers
/// compute for milliseconds each, connections would be seen to come only when all of them are done.
struct Network(Option<Runtime>);

impl Network {
    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self(Some(runtime.expect("a runtime for the proxies")))
    }

    /// A proxy for each of so many, in front of this port.
    async fn proxies(&self, count: usize, port: u16) -> Vec<FaultProxy> {
        let Some(runtime) = &self.0 else { return Vec::new() };
        let proxy = |_| async move { runtime.spawn(FaultProxy::open(port)).await.unwrap() };
        join_all((0..count).map(proxy)).await
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // A runtime can't be waited for within another.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// How a herd came back.
pub(crate) struct Return {
    /// When each resource's first connection came, after the fault's end.
    first: Vec<Duration>,
    /// When each was ready.
    ready: Vec<Duration>,
    /// How many there are.
    size: usize,
}

/// An outage in which the port refuses, and one in which it is silent.
pub(crate) async fn back<S: Subject>(run: Run) -> Vec<Figure> {
    let (size, outage) = (run.pick(100, 200), Duration::from_secs(run.pick(7, 15)));
    // With half of them a peak of mere chance is a greater share.
    let peak = run.pick(20.0, if driver_comes_back::<S>() { 15.0 } else { 12.0 });
    let herd = Herd::<S>::connected(size, "herd").await;

    run.progress(&format!("{size} resources are refused for {outage:?}"));
    herd.lose(Door::Refuse);
    until((Instant::now() + outage).into()).await;
    let refused = herd.heal().await;

    run.progress(&format!("{size} resources meet silence for {outage:?}"));
    herd.lose(Door::Silent);
    let ports = herd.ports();
    // A client with a pool asks twice in vain, on a connection of its own, before it counts as lost.
    herd.reach(State::Reconnecting).await;
    let end = Instant::now() + outage;
    // What is there at five looks in a row: a dial that was given up is closed a moment later.
    let mut looks = [usize::MAX; 5];
    let lasting = || {
        looks.rotate_left(1);
        looks[4] = connected(&ports).len();
        looks.into_iter().min().unwrap_or_default()
    };
    let dials = most_until(end.into(), lasting).await;
    let silent = herd.heal().await;
    herd.close().await;
    vec![
        explain::<S>(refused.peak("peak in 100 ms after a refusal").at_most(peak)),
        Figure::seconds("ready after a refusal", &refused.ready).p99_at_most(6.0),
        most_dials::<S>(dials, size),
        explain::<S>(silent.peak("peak in 100 ms after silence").at_most(peak)),
        Figure::seconds("ready after silence", &silent.ready).p99_at_most(6.0),
    ]
}

fn driver_comes_back<S: Subject>() -> bool {
    S::Backend::RECOVERY == Recovery::Driver
}

/// Says why the criterion of a driver that comes back by itself is another.
fn explain<S: Subject>(figure: Figure) -> Figure {
    if !driver_comes_back::<S>() {
        return figure;
    }
    figure.note(
        "its driver looks for the server at a pace of its own, drawn for each client and about half \
         of our longest delay: who comes back sooner may come in greater numbers",
    )
}

fn most_dials<S: Subject>(dials: usize, size: usize) -> Figure {
    let figure = Figure::count("connections under way at once while silent", dials).of(size);
    if driver_comes_back::<S>() {
        let criterion = format!("≤ {} per resource", S::CONNECTIONS);
        return figure
            .must(&criterion, dials <= size * S::CONNECTIONS)
            .note("its driver dials by itself, beyond our limit of dials");
    }
    let most = DIAL_LIMIT * S::CONNECTIONS;
    let criterion = format!("≤ {DIAL_LIMIT} dials of {}", S::CONNECTIONS);
    figure.must(&criterion, dials <= most)
}

impl<S: Subject> Herd<S> {
    /// So many resources, all ready.
    pub(crate) async fn connected(size: usize, name: &str) -> Self {
        let server = servers::shared(S::SYSTEM).await;
        let url = S::url(server, name).await;
        let network = Network::start();
        let proxies = network.proxies(size, server.port()).await;
        let rig = async |(at, proxy): (usize, &FaultProxy)| {
            let settings = Settings {
                connect_attempts: u32::MAX,
                connect_deadline: PATIENCE,
                ..Settings::default()
            };
            Rig::<S>::connected(&format!("{name}-{at}"), &proxy.url(&url), settings).await
        };
        let rigs = join_all(proxies.iter().enumerate().map(rig)).await;
        Self { rigs, proxies, _network: network }
    }

    /// Ends every connection by a reset, and shuts every door.
    pub(crate) fn lose(&self, door: Door) {
        for proxy in &self.proxies {
            proxy.set(Faults { door, ..Faults::default() });
            proxy.reset();
        }
    }

    /// Opens every door, and waits until all are ready.
    pub(crate) async fn heal(&self) -> Return {
        // Whose dial is under way goes on with it, and does not come anew.
        let waiting: BTreeSet<_> = connected(&self.ports()).into_iter().collect();
        let healed = Instant::now();
        self.proxies.iter().for_each(FaultProxy::heal);
        let ready = self.reach(State::Ready).await;
        let new = self.proxies.iter().filter(|proxy| !waiting.contains(&proxy.port()));
        let first = new.filter_map(|proxy| Some(proxy.first_accepted()?.duration_since(healed)));
        Return { first: first.collect(), ready, size: self.rigs.len() }
    }

    /// Waits until all are in `state`, and says how long each took.
    async fn reach(&self, state: State) -> Vec<Duration> {
        join_all(self.rigs.iter().map(|rig| reaches(&rig.group, state, PATIENCE))).await
    }

    fn ports(&self) -> BTreeSet<u16> {
        self.proxies.iter().map(FaultProxy::port).collect()
    }

    /// What every resource has counted.
    pub(crate) fn stats(&self) -> impl Iterator<Item = Stats> {
        self.rigs.iter().map(|rig| rig.status().stats)
    }

    pub(crate) async fn close(self) {
        join_all(self.rigs.into_iter().map(Rig::close)).await;
    }
}

impl Return {
    /// The most first connections in any 100 ms, as a share of all resources.
    fn peak(&self, what: &str) -> Figure {
        let mut first = self.first.clone();
        first.sort();
        let at_once = |at: usize| {
            let within = |came: &&Duration| **came < first[at] + AT_ONCE;
            first[at..].iter().take_while(within).count()
        };
        let most = (0..first.len()).map(at_once).max().unwrap_or_default();
        Figure::share(what, most, self.size).note(
            "each resource has a proxy of its own, and its first connection after the heal counts; a dial that was under way then goes on and is not counted",
        )
    }
}

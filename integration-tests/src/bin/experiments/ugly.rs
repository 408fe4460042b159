//! E21: a network that is bad in every way that keeps the bytes right: slow, narrow, in small
//! pieces, and cut or reset in the middle of whatever passes.

use crate::behind::settled;
use crate::census::{Watch, panics};
use crate::load::number;
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, connections};
use qa_pool::core::Outcome;
use qa_pool::{Error, ErrorKind, Settings};
use qa_servers::Server;
use qa_servers::proxy::{Ending, FaultProxy, Faults, Way};
use std::ops::AddAssign;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const BACKOFF_CAP: Duration = Duration::from_secs(1);

/// After so many cycles the network is good for a moment.
const BETWEEN_HEALS: usize = 8;

/// Until an answer must come on a good network.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks through it, again and again, with the network made bad in another way each time.
pub(crate) async fn network<S: Subject>(run: Run) -> Vec<Figure> {
    let (lanes, cycles) = (run.pick(8, 32), run.pick(8, 160));
    panics();
    let server = Server::start_owned(S::SYSTEM).await.unwrap();
    let url = S::url(&server, "ugly").await;
    let watch = Watch::start(Duration::from_secs(600), !run.short);
    let mut running = JoinSet::new();
    for _ in 0..lanes {
        // One after the other: how many connects a busy machine can do at once is not asked here.
        let proxy = FaultProxy::open(server.port()).await;
        let rig = Rig::<S>::connected("ugly", &proxy.url(&url), settings()).await;
        running.spawn(lane(proxy, rig, cycles));
    }
    let mut tally = Tally::default();
    while let Some(ended) = running.join_next().await {
        tally += ended.unwrap();
        run.progress(&format!("{} of {} cycles", tally.took.len(), lanes * cycles));
    }
    let mut figures = tally.figures();
    figures.push(watch.growth("memory", |census| census.memory_kib, 1024.0));
    figures.push(Figure::count("panics", panics()).is(0.0));
    let left = settled(0, || connections(server.port())).await;
    figures.push(Figure::count("connections left", left).is(0.0));
    figures
}

/// Limits in proportion to the latency, so that the cycles are many and not long.
fn settings() -> Settings {
    Settings {
        operation_timeout: OPERATION_TIMEOUT,
        acquire_timeout: ACQUIRE_TIMEOUT,
        backoff_cap: BACKOFF_CAP,
        ..Settings::default()
    }
}

/// One resource behind a proxy of its own.
async fn lane<S: Subject>(proxy: FaultProxy, rig: Rig<S>, cycles: usize) -> Tally {
    let mut tally = Tally::default();
    for cycle in 1..=cycles {
        proxy.set(ugly());
        tally.ask(&rig).await;
        if cycle % BETWEEN_HEALS == 0 {
            proxy.heal();
            tally.come_back(&rig).await;
        }
    }
    proxy.heal();
    rig.close().await;
    tally
}

/// A network that is bad in one way, or in several.
fn ugly() -> Faults {
    let sliced = Way { slice: Some(1..=16), ..Way::default() };
    let narrow = Way { bandwidth: Some(8 * 1024), ..Way::default() };
    let [latency, jitter] = [200, 100].map(Duration::from_millis);
    let far = Way { latency, jitter, ..Way::default() };
    let mut faults = Faults::both(match fastrand::u32(..6) {
        0 => sliced,
        1 => narrow,
        2 => far,
        3 => Way { slice: sliced.slice, bandwidth: narrow.bandwidth, ..far },
        _ => Way::default(),
    });
    // The one in three that is none of these, and every second one of them.
    if faults == Faults::default() || fastrand::bool() {
        let ending = if fastrand::bool() { Ending::Close } else { Ending::Reset };
        let cut = Some((fastrand::u64(1..=4096), ending));
        let way = if fastrand::bool() { &mut faults.to_server } else { &mut faults.to_client };
        way.cut_after = cut;
    }
    faults
}

/// What became of the operations.
#[derive(Default)]
struct Tally {
    took: Vec<Duration>,
    answered: usize,
    wrong: usize,
    hung: usize,
    safe_to_repeat: usize,
    unknown: usize,
    /// Errors that say that something is wrong with what was given.
    blaming: Vec<Error>,
    back: Vec<Duration>,
    not_back: Vec<String>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.took.extend(other.took);
        self.answered += other.answered;
        self.wrong += other.wrong;
        self.hung += other.hung;
        self.safe_to_repeat += other.safe_to_repeat;
        self.unknown += other.unknown;
        self.blaming.extend(other.blaming);
        self.back.extend(other.back);
        self.not_back.extend(other.not_back);
    }
}

impl Tally {
    async fn ask<S: Subject>(&mut self, rig: &Rig<S>) {
        let (number, began) = (number(), Instant::now());
        let answer = timeout(OPERATION_TIMEOUT * 2, S::ask(&rig.group, number)).await;
        self.took.push(began.elapsed());
        match answer {
            Err(_) => self.hung += 1,
            Ok(Ok(answer)) if answer == number => self.answered += 1,
            Ok(Ok(_)) => self.wrong += 1,
            Ok(Err(error)) => self.classify(error),
        }
    }

    fn classify(&mut self, error: Error) {
        match (error.kind(), error.outcome()) {
            (ErrorKind::Connect | ErrorKind::Timeout, Outcome::Unknown) => self.unknown += 1,
            (ErrorKind::Connect | ErrorKind::Timeout, Outcome::NotApplied) => {
                self.safe_to_repeat += 1;
            }
            _ => self.blaming.push(error),
        }
    }

    /// Asks on a good network until there is an answer.
    async fn come_back<S: Subject>(&mut self, rig: &Rig<S>) {
        let began = Instant::now();
        let mut last = None;
        let answered = async {
            while let Err(error) = rig.use_it(number()).await {
                last = Some(error);
            }
        };
        match timeout(PATIENCE, answered).await {
            Ok(()) => self.back.push(began.elapsed()),
            Err(_) => self.not_back.push(format!("{last:?}")),
        }
    }

    fn figures(self) -> Vec<Figure> {
        let operations = self.took.len();
        let mut blaming = Figure::count("errors that blame what was given", self.blaming.len());
        if let Some(error) = self.blaming.first() {
            blaming = blaming.note(format!("such as: {error}"));
        }
        let mut lost = Figure::count("not back on a good network", self.not_back.len());
        if let Some(error) = self.not_back.first() {
            lost = lost.note(format!("such as: {error}"));
        }
        vec![
            Figure::seconds("an operation", &self.took),
            Figure::count("hung operations", self.hung).of(operations).is(0.0),
            Figure::count("wrong answers", self.wrong).of(operations).is(0.0),
            blaming.of(operations).is(0.0),
            lost.of(self.back.len()).is(0.0),
            Figure::seconds("an answer on a good network", &self.back),
            Figure::share("answered all the same", self.answered, operations),
            Figure::share("failed and not applied", self.safe_to_repeat, operations),
            Figure::share("failed with an unknown outcome", self.unknown, operations),
        ]
    }
}

//! E19: the real resource under random events, and what its watchers tell against what may be.

use crate::run::Run;
use crate::scripted::{Does, Fail, Script, Scripted};
use crate::virtual_time::{FOREVER, brisk, each_seed, moment, tasks_left};
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use qa_resource_core::{Resource, State};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Events per sequence.
const EVENTS: usize = 16;

/// Between two events, at the most.
const GAP: Duration = Duration::from_secs(3);

/// How long the close at the end may take.
const CLOSE: Duration = Duration::from_secs(10);

/// A state change as a watcher was told it, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    from: State,
    to: State,
    generation: u64,
    caused: bool,
    at: Instant,
}

/// How somebody's wait for the ready state ended.
#[derive(Clone, Copy, Debug)]
struct Waited {
    began: Instant,
    ended: Instant,
}

/// What was wrong with one sequence.
#[derive(Debug, Default)]
struct Verdict {
    changes: usize,
    observers: usize,
    waits: usize,
    illegal: usize,
    missed: usize,
    lost_wake_ups: usize,
    after_the_end: usize,
    left: usize,
}

/// Runs the sequences and adds up what was wrong.
pub(crate) async fn sequences(run: Run) -> Vec<Figure> {
    let (seeds, threads) = (run.pick(1_000, 100_000), run.pick(1, 2));
    run.progress(&format!("{seeds} sequences of {EVENTS} events"));
    let verdicts = tokio::task::spawn_blocking(move || {
        each_seed(seeds, threads, async |seed| match seed % 2 {
            0 => sequence::<false>(seed).await,
            _ => sequence::<true>(seed).await,
        })
    });
    let verdicts = verdicts.await.unwrap();
    let panics = verdicts.iter().filter(|verdict| verdict.is_none()).count();
    let verdicts: Vec<_> = verdicts.into_iter().flatten().collect();
    let sum = |what: fn(&Verdict) -> usize| verdicts.iter().map(what).sum::<usize>();
    let (changes, observers, waits) = (sum(|v| v.changes), sum(|v| v.observers), sum(|v| v.waits));
    run.progress(&format!("{changes} changes, {observers} observers, {waits} waits"));
    let n = verdicts.len();
    vec![
        Figure::count("illegal transitions", sum(|v| v.illegal)).of(changes).is(0.0).note(format!(
            "{n} random sequences on a scripted backend in virtual time; an edge, its generation \
             and its cause are compared with a model that is written out in the experiment"
        )),
        Figure::count("observers that missed one", sum(|v| v.missed)).of(observers).is(0.0),
        Figure::count("lost wake-ups", sum(|v| v.lost_wake_ups)).of(waits).is(0.0),
        Figure::count("changes after the end", sum(|v| v.after_the_end)).of(n).is(0.0),
        Figure::count("tasks or connections left", sum(|v| v.left)).of(n).is(0.0),
        Figure::count("panics", panics).of(n).is(0.0),
    ]
}

/// Everything that one sequence has under way.
struct Stage<const DRIVER: bool> {
    random: fastrand::Rng,
    script: Arc<Script>,
    resource: Resource<Scripted<DRIVER>>,
    observers: Vec<(State, JoinHandle<Vec<Told>>)>,
    waits: Vec<JoinHandle<Waited>>,
}

async fn sequence<const DRIVER: bool>(seed: u64) -> Verdict {
    let script = Script::new();
    let resource = Resource::new("model", Scripted::<DRIVER>(Arc::clone(&script)), brisk());
    let random = fastrand::Rng::with_seed(seed);
    let mut stage = Stage { random, script, resource, observers: vec![], waits: vec![] };
    stage.observe();
    for _ in 0..EVENTS {
        stage.event();
        sleep(moment(&mut stage.random, GAP)).await;
    }
    stage.end().await
}

impl<const DRIVER: bool> Stage<DRIVER> {
    /// One random thing that a user, the server or the driver does.
    fn event(&mut self) {
        match self.random.u8(..16) {
            0..=2 => self.wait(),
            3 => self.wait_for_ready(),
            4 => self.acquire_and_lose_patience(),
            5..=10 => self.change_the_script(),
            11 | 12 => self.script.cut(),
            13 => self.resource.reconnect(),
            14 => self.observe(),
            _ if self.random.u8(..4) == 0 => self.close(),
            _ => {}
        }
    }

    fn change_the_script(&mut self) {
        let does = self.does();
        let Script { connect, ping, close, .. } = &*self.script;
        let verb = [connect, connect, connect, ping, ping, close][self.random.usize(..6)];
        Script::set(verb, does);
    }

    fn does(&mut self) -> Does {
        match self.random.u8(..10) {
            0..=5 => Does::Ok,
            6 => Does::Error(Fail::Refused),
            7 => Does::Error(Fail::Password),
            8 => Does::Slow(moment(&mut self.random, GAP)),
            _ => Does::Never,
        }
    }

    /// Waits for a lease, and holds it for a while.
    fn wait(&mut self) {
        let (resource, hold) = (self.resource.clone(), moment(&mut self.random, GAP));
        self.waits.push(tokio::spawn(async move {
            let began = Instant::now();
            let lease = resource.acquire().await;
            let ended = Instant::now();
            sleep(hold).await;
            drop(lease);
            Waited { began, ended }
        }));
    }

    /// Waits for the state itself, as a readiness gate does; for ever.
    fn wait_for_ready(&mut self) {
        let mut watch = self.resource.watch();
        self.waits.push(tokio::spawn(async move {
            let began = Instant::now();
            let _ = watch.wait_for(State::Ready).await;
            Waited { began, ended: Instant::now() }
        }));
    }

    fn acquire_and_lose_patience(&mut self) {
        let (resource, patience) = (self.resource.clone(), moment(&mut self.random, GAP));
        // Only for what it may leave behind: how it ended tells nothing of a wake-up.
        tokio::spawn(async move { drop(timeout(patience, resource.acquire()).await) });
    }

    /// One more watcher, which should see everything from now on.
    fn observe(&mut self) {
        let mut watch = self.resource.watch();
        let follow = async move {
            let mut told = Vec::new();
            while let Some(change) = watch.next().await {
                let (from, to, generation) = (change.from, change.to, change.generation);
                let caused = change.cause.is_some();
                told.push(Told { from, to, generation, caused, at: Instant::now() });
            }
            told
        };
        self.observers.push((self.resource.state(), tokio::spawn(follow)));
    }

    fn close(&mut self) {
        let (resource, limit) = (self.resource.clone(), moment(&mut self.random, CLOSE));
        tokio::spawn(async move { resource.close(limit).await });
    }

    /// Closes, asks for everything once more, and looks at what was told.
    async fn end(self) -> Verdict {
        let Self { script, resource, observers, waits, .. } = self;
        resource.close(CLOSE).await;
        let connects = script.count("connect");
        let mut late = resource.watch();
        let refused = resource.acquire().await.is_err() && resource.connect().await.is_err();
        resource.reconnect();
        script.cut();
        let absorbed = refused
            && late.next().await.is_none()
            && resource.state() == State::Closed
            && script.count("connect") == connects;
        let (states, observers): (Vec<_>, Vec<_>) = observers.into_iter().unzip();
        let told = timeout(FOREVER, join_all(observers)).await.unwrap();
        let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
        let waits = timeout(FOREVER, join_all(waits)).await.unwrap();
        let waits: Vec<_> = waits.into_iter().map(Result::unwrap).collect();
        let all = &told[0];
        drop(resource);
        drop(late);
        Verdict {
            changes: all.len(),
            observers: told.len(),
            waits: waits.len(),
            illegal: illegal(all),
            missed: states.iter().zip(&told).filter(|(at, told)| !is_rest(all, **at, told)).count(),
            lost_wake_ups: waits.iter().filter(|waited| slept_through(all, waited)).count(),
            after_the_end: usize::from(!absorbed),
            left: tasks_left().await + script.open.load(std::sync::atomic::Ordering::SeqCst),
        }
    }
}

/// Whether somebody told from `state` on was told exactly the rest of `all`.
fn is_rest(all: &[Told], state: State, told: &[Told]) -> bool {
    let begins = told.first().map_or(State::Closed, |first| first.from);
    begins == state && all.ends_with(told)
}

/// How many changes are none that may be, one after the other, from the beginning to the end.
fn illegal(all: &[Told]) -> usize {
    let (mut state, mut generation, mut wrong) = (State::Idle, 0, 0);
    for told in all {
        generation += u64::from(told.to == State::Ready);
        let legal = told.from == state
            && told.generation == generation
            && may_follow(told.from, told.to)
            && told.caused == has_cause(told.from, told.to);
        wrong += usize::from(!legal);
        state = told.to;
    }
    wrong + usize::from(state != State::Closed)
}

/// The reference: what may follow what, written out and not taken from the library.
fn may_follow(from: State, to: State) -> bool {
    use State::{Closed, Connecting, Draining, Idle, Ready, Reconnecting};
    match from {
        Idle => matches!(to, Connecting | Draining),
        Connecting => matches!(to, Idle | Ready | Draining),
        Ready => matches!(to, Ready | Reconnecting | Draining),
        Reconnecting => matches!(to, Ready | Draining),
        Draining => to == Closed,
        Closed => false,
    }
}

/// Something went wrong where a connect was given up and where a connection was lost.
fn has_cause(from: State, to: State) -> bool {
    to == State::Reconnecting || (from == State::Connecting && to == State::Idle)
}

/// Whether somebody went on waiting although it was ready for longer than a moment, or closed.
fn slept_through(all: &[Told], waited: &Waited) -> bool {
    let mut periods = all.windows(2).filter(|pair| pair[0].to == State::Ready);
    let ready = periods.any(|pair| {
        let due = pair[0].at.max(waited.began);
        due < pair[1].at && due < waited.ended
    });
    let closed = all.last().map(|told| told.at.max(waited.began));
    ready || closed.is_some_and(|closed| closed < waited.ended)
}

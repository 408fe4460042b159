//! E18, on the core: a shutdown at a random moment of what a resource may be doing.

use crate::run::Run;
use crate::scene::{CALLERS, MARGIN, SCENES, Scene};
use crate::scripted::{Does, Fail, Script, Scripted};
use crate::virtual_time::{FOREVER, brisk, each_seed, moment, tasks_left};
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use qa_pool::ResourcePool;
use qa_resource_core::{Resource, State};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

/// The end comes at a moment before this.
const BEFORE_THE_END: Duration = Duration::from_secs(6);

/// The end is given less than this.
const LIMIT: Duration = Duration::from_secs(5);

/// How one seed ended.
#[derive(Debug, Default)]
struct Ended {
    /// By how much the close was late, where it was.
    late: Duration,
    hung: usize,
    differs: usize,
    left: usize,
    /// How long the drop of the last handle took by the real clock, where there was one.
    drop_took: Option<Duration>,
}

/// Runs the seeds and adds up.
pub(crate) async fn core(run: Run) -> Vec<Figure> {
    let (seeds, threads) = (run.pick(400, 10_000), run.pick(1, 2));
    run.progress(&format!("{seeds} seeds"));
    let ended = tokio::task::spawn_blocking(move || {
        each_seed(seeds, threads, async |seed| match (seed / 4) % 2 {
            0 => one::<false>(seed).await,
            _ => one::<true>(seed).await,
        })
    });
    let ended = ended.await.unwrap();
    let panics = ended.iter().filter(|ended| ended.is_none()).count();
    let ended: Vec<_> = ended.into_iter().flatten().collect();
    let (n, sum) = (ended.len(), |what: fn(&Ended) -> usize| ended.iter().map(what).sum::<usize>());
    let late: Vec<_> = ended.iter().map(|ended| ended.late).collect();
    let drops: Vec<_> = ended.iter().filter_map(|ended| ended.drop_took).collect();
    vec![
        Figure::seconds("beyond the limit", &late).at_most(MARGIN.as_secs_f64()).note(
            "in virtual time, on a scripted backend: a pool of one to three, ended during \
             connect-retry, reconnect, queued acquires or a probe; by one close, by three at once, \
             or by dropping the last handle",
        ),
        Figure::count("deadlocks", sum(|ended| ended.hung)).of(n).is(0.0),
        Figure::count("panics", panics).of(n).is(0.0),
        Figure::count("second closes that differ", sum(|ended| ended.differs)).of(n).is(0.0),
        Figure::count("tasks or connections left", sum(|ended| ended.left)).of(n).is(0.0),
        Figure::seconds("drop without a close", &drops).at_most(1.0).note(
            "of the last handle, by the real clock; on the one thread that there is, a drop that \
             waits for anything waits for ever",
        ),
    ]
}

/// A pool in the middle of something, and who waits for it.
struct Stage<const DRIVER: bool> {
    random: fastrand::Rng,
    scripts: Vec<Arc<Script>>,
    pool: ResourcePool,
    resources: Vec<Resource<Scripted<DRIVER>>>,
    callers: Vec<JoinHandle<()>>,
}

async fn one<const DRIVER: bool>(seed: u64) -> Ended {
    let mut stage = Stage::<DRIVER>::new(seed);
    stage.set(SCENES[usize::try_from(seed % 4).unwrap_or_default()]).await;
    sleep(moment(&mut stage.random, BEFORE_THE_END)).await;
    let (scripts, close) = (stage.scripts.clone(), stage.does());
    for script in &scripts {
        Script::set(&script.close, close);
    }
    let mut ended = match stage.random.u8(..3) {
        0 => stage.close(1).await,
        1 => stage.close(3).await,
        _ => stage.drop_it().await,
    };
    let tasks = tasks_left().await;
    let open = scripts.iter().map(|script| script.open.load(Ordering::SeqCst));
    ended.left = tasks + open.sum::<usize>();
    ended
}

impl<const DRIVER: bool> Stage<DRIVER> {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let scripts: Vec<_> = (0..random.usize(1..=3)).map(|_| Script::new()).collect();
        let pool = ResourcePool::new();
        let resource = |(nth, script): (usize, &Arc<Script>)| {
            let backend = Scripted::<DRIVER>(Arc::clone(script));
            let resource = Resource::new(format!("r{nth}"), backend, brisk());
            pool.add(resource.clone()).unwrap();
            resource
        };
        let resources = scripts.iter().enumerate().map(resource).collect();
        Self { random, scripts, pool, resources, callers: vec![] }
    }

    /// Brings the pool into the middle of a scene.
    async fn set(&mut self, scene: Scene) {
        if matches!(scene, Scene::ConnectRetry | Scene::Queued) {
            self.nobody_answers();
        }
        let resources = self.resources.clone();
        let connects = join_all(resources.iter().map(Resource::connect));
        match scene {
            Scene::ConnectRetry => drop(timeout(Duration::ZERO, connects).await),
            Scene::Queued => self.queue(),
            Scene::Reconnect => {
                connects.await;
                self.queue();
                self.nobody_answers();
                self.scripts.iter().for_each(|script| script.cut());
                self.queue();
            }
            Scene::Probe => {
                connects.await;
                let does = if self.random.bool() { Does::Never } else { Does::Slow(LIMIT / 4) };
                self.scripts.iter().for_each(|script| Script::set(&script.ping, does));
                self.queue();
            }
        }
    }

    fn nobody_answers(&mut self) {
        let does = self.does_not();
        self.scripts.iter().for_each(|script| Script::set(&script.connect, does));
    }

    fn does_not(&mut self) -> Does {
        match self.random.u8(..3) {
            0 => Does::Error(Fail::Refused),
            1 => Does::Slow(moment(&mut self.random, LIMIT)),
            _ => Does::Never,
        }
    }

    fn does(&mut self) -> Does {
        if self.random.bool() { Does::Ok } else { self.does_not() }
    }

    /// Callers of every resource; those that are given a lease hold it for a while.
    fn queue(&mut self) {
        for nth in 0..CALLERS {
            let resource = self.resources[nth % self.resources.len()].clone();
            let hold = moment(&mut self.random, LIMIT);
            self.callers.push(tokio::spawn(async move {
                let lease = resource.acquire().await;
                sleep(hold).await;
                drop(lease);
            }));
        }
    }

    /// Closes the pool, so many times at once and once more afterwards.
    async fn close(mut self, times: usize) -> Ended {
        let (limit, began) = (moment(&mut self.random, LIMIT), Instant::now());
        let mut closes = JoinSet::new();
        for _ in 0..times {
            let pool = self.pool.clone();
            closes.spawn(async move { pool.close(limit).await.to_string() });
        }
        let mut reports = timeout(FOREVER, closes.join_all()).await.unwrap_or_default();
        let late = began.elapsed().saturating_sub(limit);
        reports.push(self.pool.close(limit).await.to_string());
        reports.dedup();
        let open = self.resources.iter().filter(|one| one.state() != State::Closed).count();
        let callers = timeout(FOREVER, join_all(self.callers)).await;
        let failed = callers.iter().flatten().filter(|caller| caller.is_err()).count();
        Ended {
            late,
            hung: open + failed + usize::from(callers.is_err()),
            differs: reports.len() - 1,
            ..Ended::default()
        }
    }

    /// Drops every handle, and waits for the end that this brings.
    async fn drop_it(self) -> Ended {
        let mut watches: Vec<_> = self.resources.iter().map(Resource::watch).collect();
        // They hold handles; what they wait for is dropped under them.
        self.callers.iter().for_each(JoinHandle::abort);
        let callers = timeout(FOREVER, join_all(self.callers)).await;
        let (began, real) = (Instant::now(), std::time::Instant::now());
        drop((self.resources, self.pool));
        let drop_took = Some(real.elapsed());
        let ends = watches.iter_mut().map(|watch| watch.wait_for(State::Closed));
        let ends = timeout(FOREVER, join_all(ends)).await;
        let open = ends.iter().flatten().filter(|closed| !**closed).count();
        Ended {
            late: began.elapsed().saturating_sub(LIMIT),
            hung: open + usize::from(ends.is_err()) + usize::from(callers.is_err()),
            drop_took,
            ..Ended::default()
        }
    }
}

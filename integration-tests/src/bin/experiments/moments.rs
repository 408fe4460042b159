//! E18, on real servers: a shutdown at a random moment of what a resource may be doing.

use crate::run::Run;
use crate::scene::{CALLERS, MARGIN, SCENES, Scene};
use futures_util::{StreamExt, stream};
use integration_tests::experiment::Figure;
use integration_tests::{Proxied, Rig, Subject, connections};
use qa_pool::{Settings, State};
use qa_servers::proxy::{Door, Faults};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

/// Rounds under way at a time.
const AT_ONCE: usize = 8;

/// How the server is away.
const DOORS: [Door; 3] = [Door::Refuse, Door::Reset, Door::Silent];

/// The end comes within this time.
const BEFORE_THE_END: Duration = Duration::from_millis(1500);

/// A resource whose last handle was dropped has ended by then.
const DROPPED: Duration = Duration::from_secs(5);

/// Connections that are gone for so long do not come back.
const FOR_GOOD: Duration = Duration::from_secs(1);

/// How often they are counted.
const LOOK: Duration = Duration::from_millis(100);

/// Nothing takes this long: what has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How one round ended.
#[derive(Debug, Default)]
struct Ended {
    late: Duration,
    hung: usize,
    differs: usize,
    left: usize,
    /// What was under way.
    scene: String,
    /// Until the last connection was gone.
    gone: Duration,
}

pub(crate) async fn live<S: Subject>(run: Run) -> Vec<Figure> {
    // What the process keeps for good is there once the first round is over.
    round::<S>(0).await;
    let before = Handle::current().metrics().num_alive_tasks();
    let rounds = run.pick(16, 160);
    run.progress(&format!("{rounds} moments"));
    let ended = stream::iter(0..rounds).map(|nth| round::<S>(nth)).buffer_unordered(AT_ONCE);
    let ended: Vec<_> = ended.collect().await;
    let tasks = tasks_above(before).await;
    let sum = |what: fn(&Ended) -> usize| ended.iter().map(what).sum::<usize>();
    let late: Vec<_> = ended.iter().map(|ended| ended.late).collect();
    let gone: Vec<_> = ended.iter().map(|ended| ended.gone).collect();
    vec![
        whose(
            Figure::seconds("beyond the limit", &late).at_most(MARGIN.as_secs_f64()).note(
                "during connect-retry, reconnect, queued acquires or a probe, the server being \
                 refused, reset or silent; by two closes, or by dropping the last handle (5 s); \
                 less what a bare timer beside it is late",
            ),
            &ended,
            |one| one.late > MARGIN,
        ),
        Figure::count("deadlocks", sum(|ended| ended.hung)).of(rounds).is(0.0),
        Figure::count("second closes that differ", sum(|ended| ended.differs)).of(rounds).is(0.0),
        whose(
            Figure::count("connections left", sum(|ended| ended.left)).of(rounds).is(0.0),
            &ended,
            |one| one.left > 0,
        ),
        Figure::seconds("last connection gone after", &gone),
        Figure::count("tasks left", tasks).of(rounds).is(0.0),
    ]
}

/// Says of a figure that misses its criterion what was under way in the rounds that did, in place of
/// what its note says otherwise.
fn whose(figure: Figure, ended: &[Ended], missed: fn(&Ended) -> bool) -> Figure {
    let missed: Vec<_> =
        ended.iter().filter(|ended| missed(ended)).map(|one| &*one.scene).collect();
    if missed.is_empty() { figure } else { figure.note(missed.join("; ")) }
}

/// A resource of its own, in the middle of something, and its end.
async fn round<S: Subject>(nth: usize) -> Ended {
    let settings = Settings { health_interval: Duration::from_millis(300), ..Settings::default() };
    let proxied = Proxied::<S>::new(&format!("moment-{}", nth % AT_ONCE), settings).await;
    let scene = SCENES[nth % SCENES.len()];
    let door = DOORS[nth / SCENES.len() % DOORS.len()];
    let callers = set(&proxied, scene, door).await;
    sleep(BEFORE_THE_END.mul_f64(fastrand::f64())).await;
    let Proxied { rig, proxy, server: _server } = proxied;
    let dropped = nth % 3 == 2;
    let mut ended = if dropped { drop_it(rig, callers).await } else { close(rig, callers).await };
    let how = if dropped { "dropped" } else { "closed" };
    let late = ended.late;
    ended.scene = format!("{how} during {scene:?}, the door being {door:?}, {late:.2?} late");
    let began = Instant::now();
    let gone = last_gone(proxy.port()).await;
    ended.left = if gone.is_some() { 0 } else { counted(proxy.port()).await };
    ended.gone = gone.map_or(PATIENCE, |gone| gone - began);
    ended
}

/// When the last connection was gone for good: a driver that finds its server gone leaves all of its
/// connections, and has one more look before it is shut down.
async fn last_gone(port: u16) -> Option<Instant> {
    let (deadline, mut gone) = (Instant::now() + PATIENCE, None);
    while Instant::now() < deadline {
        if counted(port).await > 0 {
            gone = None;
        } else if gone.get_or_insert_with(Instant::now).elapsed() > FOR_GOOD {
            return gone;
        }
        sleep(LOOK).await;
    }
    None
}

/// The kernel's table of connections takes 10 ms to read where others have a thousand in it: in eight
/// rounds at once, and in the runtime's own threads, that would be what makes the closes late.
async fn counted(port: u16) -> usize {
    tokio::task::spawn_blocking(move || connections(port)).await.unwrap()
}

/// Brings a resource into the middle of a scene; gives those who wait for it.
async fn set<S: Subject>(proxied: &Proxied<S>, scene: Scene, door: Door) -> Vec<JoinHandle<()>> {
    let gone = match door {
        Door::Silent => Faults::silent(),
        door => Faults { door, ..Faults::default() },
    };
    let Proxied { rig, proxy, server: _server } = proxied;
    if !matches!(scene, Scene::ConnectRetry) {
        rig.pool.connect().await.unwrap();
    }
    match scene {
        Scene::Probe => proxy.set(Faults::silent()),
        Scene::ConnectRetry => proxy.set(gone),
        Scene::Reconnect | Scene::Queued => {
            proxy.set(gone);
            proxy.reset();
        }
    }
    let callers = if matches!(scene, Scene::Reconnect | Scene::Probe) { 1 } else { CALLERS };
    let call = |_| {
        let group = rig.group.clone();
        tokio::spawn(async move { drop(group.acquire().await) })
    };
    (0..callers).map(call).collect()
}

/// Closes the pool twice at once, and once more.
async fn close<S: Subject>(rig: Rig<S>, callers: Vec<JoinHandle<()>>) -> Ended {
    let limit = Duration::from_millis(fastrand::u64(100..2_000));
    let began = Instant::now();
    let mut closes = JoinSet::new();
    for _ in 0..2 {
        let pool = rig.pool.clone();
        closes.spawn(async move { pool.close(limit).await.to_string() });
    }
    let bare = tokio::spawn(bare_wait(limit));
    let mut reports = timeout(PATIENCE, closes.join_all()).await.unwrap_or_default();
    let took = began.elapsed();
    let late = if took > limit { took.saturating_sub(bare.await.unwrap()) } else { Duration::ZERO };
    reports.push(rig.pool.close(limit).await.to_string());
    reports.dedup();
    let mut hung = usize::from(rig.group.state() != State::Closed);
    for caller in callers {
        hung += usize::from(!matches!(timeout(PATIENCE, caller).await, Ok(Ok(()))));
    }
    Ended { late, hung, differs: reports.len() - 1, ..Ended::default() }
}

/// Drops the last handle, and waits for the end that this brings.
async fn drop_it<S: Subject>(rig: Rig<S>, callers: Vec<JoinHandle<()>>) -> Ended {
    for caller in callers {
        caller.abort();
        let _ = caller.await;
    }
    let mut watch = rig.group.watch();
    let began = Instant::now();
    drop(rig);
    let bare = tokio::spawn(bare_wait(DROPPED));
    let closed = timeout(PATIENCE, watch.wait_for(State::Closed)).await;
    let took = began.elapsed();
    let late =
        if took > DROPPED { took.saturating_sub(bare.await.unwrap()) } else { Duration::ZERO };
    Ended { late, hung: usize::from(closed != Ok(true)), ..Ended::default() }
}

/// How long a wait for `limit` takes by itself here and now: what a busy machine adds to every wait
/// is not the library's.
async fn bare_wait(limit: Duration) -> Duration {
    let began = Instant::now();
    sleep(limit).await;
    began.elapsed()
}

/// How many tasks there are more than `before`, once there has been time for them to end.
async fn tasks_above(before: usize) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let above = || Handle::current().metrics().num_alive_tasks().saturating_sub(before);
    while above() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
    above()
}

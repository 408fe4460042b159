//! E20, for each backend: a server that comes and goes, and one of which a fifth of the operations
//! fail.

use crate::behind::{Behind, all_reach, close_all, heal};
use crate::changes::{because, changes};
use crate::load::{Load, Operation, stop_all};
use crate::run::Run;
use futures_util::future::{join, join_all};
use integration_tests::Subject;
use integration_tests::experiment::Figure;
use qa_pool::core::Transition;
use qa_pool::{Group, Health, Settings, State};
use qa_servers::proxy::{Faults, Way};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

const SECOND: Duration = Duration::from_secs(1);

/// An operation may take so long where the network stalls …
const PATIENT: Duration = Duration::from_millis(250);

/// … for so long every second, so that a fifth of the operations fail.
const STALL: Duration = Duration::from_millis(450);

/// How a resource looked from outside.
struct Look {
    /// Changes between up and anything else.
    health: f64,
    /// Changes of the state.
    states: Vec<Transition>,
}

impl Look {
    /// How often the state changed.
    fn states(&self) -> f64 {
        u32::try_from(self.states.len()).map_or(f64::NAN, f64::from)
    }
}

/// Both at once, each on resources of its own.
pub(crate) async fn health<S: Subject>(run: Run) -> Vec<Figure> {
    let time = Duration::from_secs(run.pick(8, 60));
    run.progress(&format!("a server that comes and goes, and one that stalls, for {time:?}"));
    let (coming, stalling) = join(comes_and_goes::<S>(&run, time), stalls::<S>(&run, time)).await;
    let health: Vec<_> = coming.iter().map(|look| look.health).collect();
    let states: Vec<_> = coming.iter().map(Look::states).collect();
    let (looks, failed, all) = stalling;
    let fifth: Vec<_> = looks.iter().map(|look| look.health + look.states()).collect();
    let causes: Vec<_> = looks.into_iter().flat_map(|look| look.states).collect();
    vec![
        Figure::new("changes of health, 1 s up and 1 s down", "", &health)
            .at_most(2.0)
            .note("between up and anything else; a comeback is degraded until it has held"),
        Figure::new("changes of state, 1 s up and 1 s down", "", &states)
            .note("the state is the truth about the connection: it is used while there is one"),
        Figure::share("operations that failed in the stalls", failed, all).at_least(10.0),
        because(
            Figure::new("changes where a fifth of the operations fail", "", &fifth).at_most(2.0),
            &causes,
        ),
    ]
}

async fn comes_and_goes<S: Subject>(run: &Run, time: Duration) -> Vec<Look> {
    let count = run.pick(4, 20);
    let resources = Behind::<S>::connected(count, "comes-and-goes", &Settings::default()).await;
    let fault = async {
        let end = Instant::now() + time;
        while Instant::now() < end {
            for one in &resources {
                one.proxy.set(Faults::refused());
                one.proxy.reset();
            }
            sleep(SECOND).await;
            heal(&resources);
            sleep(SECOND).await;
        }
    };
    let end = Instant::now() + time;
    // A cut is no loss where the client has a pool: somebody has to use it.
    let loads: Vec<_> = resources.iter().map(|one| Load::start::<S>(&one.rig.group, 5)).collect();
    let looks = join_all(resources.iter().map(|one| look_until(end, &one.rig.group)));
    let (looks, ()) = join(looks, fault).await;
    stop_all(loads, SECOND * 20).await.expect("no operation hangs");
    all_reach(&resources, State::Ready).await;
    close_all(resources).await;
    looks
}

/// How the resources looked, and how many of all operations failed.
async fn stalls<S: Subject>(run: &Run, time: Duration) -> (Vec<Look>, usize, usize) {
    let settings = Settings { operation_timeout: PATIENT, ..Settings::default() };
    let count = run.pick(2, 5);
    let resources = Behind::<S>::connected(count, "stalls", &settings).await;
    let end = Instant::now() + time;
    let stalled = Faults::both(Way { silent: true, ..Way::default() });
    let network = join_all(resources.iter().map(|one| async {
        let mut begin = Instant::now();
        while begin < end {
            let calm = SECOND.saturating_sub(STALL).mul_f64(fastrand::f64());
            sleep_until(begin + calm).await;
            one.proxy.set(stalled.clone());
            sleep_until(begin + calm + STALL).await;
            one.proxy.heal();
            begin += SECOND;
            sleep_until(begin).await;
        }
    }));
    let loads: Vec<_> = resources.iter().map(|one| Load::start::<S>(&one.rig.group, 20)).collect();
    let looks = join_all(resources.iter().map(|one| look_until(end, &one.rig.group)));
    let (looks, _) = join(looks, network).await;
    let operations: Vec<Operation> =
        stop_all(loads, SECOND * 20).await.expect("no operation hangs");
    close_all(resources).await;
    let failed = operations.iter().filter(|operation| operation.error.is_some()).count();
    (looks, failed, operations.len())
}

/// Looks at a group every 20 ms.
async fn look_until<B: qa_pool::Backend>(end: Instant, group: &Group<B>) -> Look {
    let (mut watch, mut up, mut health) = (group.watch(), true, 0.0);
    while Instant::now() < end {
        let now = group.health().health == Health::Up;
        if now != up {
            (up, health) = (now, health + 1.0);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Look { health, states: changes(&mut watch) }
}

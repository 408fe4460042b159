//! E1 and E2: a network that swallows everything, under resources at rest and at work.

use crate::behind::{Behind, PATIENCE, all_reach, all_under, close_all, heal, open_files, settled};
use crate::changes::seen;
use crate::load::{Load, Operation, stop_all};
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::{Subject, holds_for};
use qa_pool::{Settings, State};
use qa_servers::proxy::Faults;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Operations per second, on all resources together.
const RATE: u32 = 200;

/// E1: nobody uses them, so that only pings can notice.
pub(crate) async fn idle<S: Subject>(run: Run) -> Vec<Figure> {
    let (count, silence) = (run.pick(5, 20), Duration::from_secs(run.pick(8, 60)));
    // What the process opens once and keeps (a client for the broker's management) is no leak.
    close_all(Behind::<S>::connected(1, "half-open-idle", &Settings::default()).await).await;
    let files = open_files();
    let resources = Behind::<S>::connected(count, "half-open-idle", &Settings::default()).await;
    let mut watches: Vec<_> = resources.iter().map(|one| one.rig.group.watch()).collect();

    let healed_at = Instant::now() + silence;
    all_under(&resources, &Faults::silent());
    run.progress(&format!("{count} resources hear nothing for {silence:?}"));
    let noticed = all_reach(&resources, State::Reconnecting).await;
    sleep_until(healed_at).await;
    heal(&resources);
    let back = all_reach(&resources, State::Ready).await;
    let told: Vec<f64> = watches.iter_mut().map(|watch| losses(&seen(watch))).collect();

    let left = close_all(resources).await;
    let leaked = settled(files, open_files).await.saturating_sub(files);
    vec![
        Figure::seconds("noticed", &noticed).p99_at_most(5.0),
        Figure::new("times the loss was told", "", &told).is(1.0),
        Figure::seconds("back after the heal", &back).p99_at_most(2.0),
        Figure::count("connections left", left).of(count).is(0.0),
        Figure::count("files left open", leaked).of(count).is(0.0),
    ]
}

fn losses(states: &[State]) -> f64 {
    let lost = states.iter().filter(|state| **state == State::Reconnecting).count();
    u32::try_from(lost).map_or(f64::NAN, f64::from)
}

/// What several rounds of E2 gave.
#[derive(Default)]
struct Rounds {
    given_up: Vec<Duration>,
    back: Vec<Duration>,
    operations: Vec<Operation>,
    hung: usize,
}

/// E2: operations are under way when it happens, and go on being asked for.
pub(crate) async fn busy<S: Subject>(run: Run) -> Vec<Figure> {
    let (count, rounds) = (run.pick(4, 5), run.pick(1, 4));
    let settings = Settings::default();
    let limit = settings.operation_timeout + Duration::from_millis(250);
    let resources = Behind::<S>::connected(count, "half-open-busy", &settings).await;
    let mut all = Rounds::default();
    for round in 1..=rounds {
        run.progress(&format!("round {round} of {rounds}: {RATE} op/s into a black hole"));
        round_of(&resources, &mut all).await;
    }
    let left = close_all(resources).await;
    let took: Vec<_> = all.operations.iter().map(|operation| operation.took).collect();
    let failed = all.operations.iter().filter(|operation| operation.error.is_some()).count();
    let wrong = all.operations.iter().filter(|operation| operation.misdelivered).count();
    vec![
        Figure::seconds("an operation's end", &took).at_most(limit.as_secs_f64()),
        Figure::count("hung", all.hung).of(took.len() + all.hung).is(0.0),
        Figure::count("answers to another", wrong).of(took.len() - failed).is(0.0),
        Figure::seconds("connection given up", &all.given_up).p99_at_most(5.0),
        Figure::seconds("back after the heal", &all.back).p99_at_most(2.0),
        Figure::count("connections left", left).of(count).is(0.0),
    ]
}

/// One black hole, longer than any operation may take.
async fn round_of<S: Subject>(resources: &[Behind<S>], all: &mut Rounds) {
    let rate = RATE / u32::try_from(resources.len()).unwrap_or(1);
    let loads: Vec<_> =
        resources.iter().map(|one| Load::start::<S>(&one.rig.group, rate)).collect();
    let ready = async || resources.iter().all(|one| one.rig.group.state() == State::Ready);
    holds_for("it works", Duration::from_secs(1), ready).await;

    let healed_at = Instant::now() + Duration::from_secs(12);
    all_under(resources, &Faults::silent());
    all.given_up.extend(all_reach(resources, State::Reconnecting).await);
    sleep_until(healed_at).await;
    heal(resources);
    all.back.extend(all_reach(resources, State::Ready).await);
    holds_for("it works", Duration::from_secs(1), ready).await;
    match stop_all(loads, PATIENCE).await {
        Some(operations) => all.operations.extend(operations),
        None => all.hung += 1,
    }
}

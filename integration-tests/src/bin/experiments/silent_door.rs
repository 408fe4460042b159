//! E5: a port that accepts connections and says nothing, like a load balancer without a server.

use crate::behind::{Behind, PATIENCE, all_reach, all_under, close_all, heal};
use crate::load::number;
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{Rig, Subject, servers, within};
use qa_pool::{Backend, ErrorKind, Group, Settings, State};
use qa_servers::proxy::{Door, Faults};
use std::time::Duration;
use tokio::time::Instant;

/// Timers and a busy machine are late by so much at the most.
const LATE: f64 = 0.05;

/// So many resources that never were connected dial again and again.
const DIALLERS: usize = 5;

/// Errors, and how long each took to come.
type Failures = Vec<(Duration, ErrorKind)>;

/// Behind each door there is one resource that was connected and is asked for leases; behind some
/// there is one more that never was and dials again and again.
pub(crate) async fn accepts<S: Subject>(run: Run) -> Vec<Figure> {
    let (count, silence) = (run.pick(5, 20), Duration::from_secs(run.pick(12, 120)));
    let settings = Settings::default();
    let resources = Behind::<S>::connected(count, "silent-door", &settings).await;
    let server = servers::shared(S::SYSTEM).await;
    let url = S::url(server, "silent-door").await;
    let once = Settings { connect_attempts: 1, ..settings.clone() };
    let dialler = |one: &Behind<S>| Rig::<S>::new("dials", &one.proxy.url(&url), once.clone());
    // Few: those that dial all the time would take every leave to dial that a process has.
    let diallers: Vec<_> = resources.iter().take(DIALLERS).map(dialler).collect();

    let until = Instant::now() + silence;
    all_under(&resources, &Faults { door: Door::Silent, ..Faults::default() });
    for one in &resources {
        one.proxy.reset();
    }
    run.progress(&format!("{count} doors accept and say nothing for {silence:?}"));
    all_reach(&resources, State::Reconnecting).await;
    let dials = join_all(diallers.iter().map(|rig| dial_until(until, &rig.group)));
    let leases = join_all(resources.iter().map(|one| acquire_until(until, &one.rig.group)));
    let (dials, leases) = tokio::join!(dials, leases);

    heal(&resources);
    let answered = join_all(resources.iter().map(|one| first_success(&one.rig))).await;
    for rig in diallers {
        rig.close().await;
    }
    let left = close_all(resources).await;
    let (dials, leases) = (dials.concat(), leases.concat());
    let odd = leases.iter().filter(|(_, kind)| *kind != ErrorKind::Timeout).count();
    let connect = settings.connect_timeout.as_secs_f64() + LATE;
    let acquire = settings.acquire_timeout.as_secs_f64() + LATE;
    let limit = format!("p99 ≤ {connect} s");
    let dial = Figure::seconds("a dial's end", &times(&dials));
    let within_limit = dial.p99 <= connect;
    vec![
        dial.must(&limit, within_limit).note("connect_timeout, and 50 ms for a timer that is late"),
        Figure::seconds("a refused lease", &times(&leases)).p99_at_most(acquire),
        Figure::count("leases refused with another error", odd).of(leases.len()).is(0.0),
        Figure::seconds("first success after the heal", &answered).p99_at_most(2.0),
        Figure::count("connections left", left).of(count).is(0.0),
    ]
}

fn times(failures: &Failures) -> Vec<Duration> {
    failures.iter().map(|(took, _)| *took).collect()
}

/// Dials, one attempt each, until none would end in time. One that succeeds is no failure, and
/// leaves the figure without samples.
async fn dial_until<B: Backend>(until: Instant, group: &Group<B>) -> Failures {
    let mut failures = Failures::new();
    while Instant::now() + group.settings().connect_timeout < until {
        let began = Instant::now();
        if let Err(error) = group.connect().await {
            failures.push((began.elapsed(), error.kind()));
        }
    }
    failures
}

/// Asks for leases until none would be refused in time.
async fn acquire_until<B: Backend>(until: Instant, group: &Group<B>) -> Failures {
    let mut failures = Failures::new();
    while Instant::now() + group.settings().acquire_timeout < until {
        let began = Instant::now();
        let error = group.acquire().await.expect_err("a lease of a server that says nothing");
        failures.push((began.elapsed(), error.kind()));
    }
    failures
}

/// How long it takes until the server answers a question.
async fn first_success<S: Subject>(rig: &Rig<S>) -> Duration {
    let began = Instant::now();
    let answered = async { while rig.echo(number()).await.is_err() {} };
    within("an answer after the heal", PATIENCE, answered).await;
    began.elapsed()
}

//! How much is logged while a server is down and everybody wants it.

use integration_tests::{Rig, Subject, holds_for, reaches, servers};
use qa_pool::{Settings, State};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

const PATIENCE: Duration = Duration::from_secs(30);

/// How long the server is down at the least: two summaries.
const OUTAGE: Duration = Duration::from_secs(25);

/// At the most one summary in so long.
const SUMMARY: u64 = 10;

/// Tasks that never stop asking.
const TASKS: u64 = 8;

pub(crate) async fn the_log_stays_quiet<S: Subject>() {
    let capture = crate::capture();
    let server = servers::to_break(S::SYSTEM).await;
    let name = format!("{}-quiet", S::SYSTEM);
    let settings = Settings {
        acquire_timeout: Duration::from_millis(200),
        backoff_cap: Duration::from_millis(500),
        ..Settings::default()
    };
    let rig = Arc::new(Rig::<S>::connected(&name, &server.url(), settings).await);
    let mut load = load(&rig);
    server.kill().await.unwrap();
    reaches(&rig.group, State::Reconnecting, PATIENCE).await;
    let began = Instant::now();
    let down = async || rig.group.state() == State::Reconnecting;
    holds_for("it is down", OUTAGE, down).await;
    server.start_again().await.unwrap();
    reaches(&rig.group, State::Ready, PATIENCE).await;
    let outage = began.elapsed();
    load.shutdown().await;
    let failures = rig.status().stats.connect_failures;
    Arc::into_inner(rig).unwrap().close().await;

    let log = capture.log();
    let ours: Vec<_> = log.lines().filter(|line| line.contains(" qa_")).collect();
    let known = |line: &str| line.contains(" resource=") || line.contains("the pool is closed");
    let others: Vec<_> = ours.iter().filter(|line| !known(line)).collect();
    assert!(others.is_empty(), "lines of no resource: {others:#?}");
    let whose = format!(" resource={name} ");
    let mine: Vec<_> = ours.into_iter().filter(|line| line.contains(&whose)).collect();
    let told: Vec<_> = mine.iter().map(|line| event(line)).collect();
    let summaries = told.iter().filter(|event| **event == STILL_DOWN).count();
    let most = outage.as_secs() / SUMMARY;
    assert!((2..=most).contains(&(summaries as u64)), "{summaries} in {outage:?}: {mine:#?}");
    let mut expected = vec!["connecting", "ready", "reconnecting"];
    expected.extend(vec![STILL_DOWN; summaries]);
    expected.extend(["ready", "draining", "closed"]);
    assert_eq!(told, expected, "{mine:#?}");
    assert!(failures > 2 * summaries as u64, "attempts that are not told: {failures}");
}

const STILL_DOWN: &str = "still down";

/// What a line tells: a new state, or that a resource is still down; else the line.
fn event(line: &str) -> &str {
    if line.contains("resource is still down") {
        return STILL_DOWN;
    }
    let state = line.split_once(" to=").and_then(|(_, rest)| rest.split(' ').next());
    state.unwrap_or(line)
}

/// Asks and asks, whatever becomes of it, until it is dropped.
fn load<S: Subject>(rig: &Arc<Rig<S>>) -> JoinSet<()> {
    let ask = |task| {
        let rig = Arc::clone(rig);
        async move {
            let mut often = interval(Duration::from_millis(10));
            loop {
                often.tick().await;
                let _ = rig.echo(task).await;
            }
        }
    };
    (1..=TASKS).map(ask).collect()
}

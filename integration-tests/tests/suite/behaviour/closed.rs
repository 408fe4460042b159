//! With a close that comes while something else is under way.

use super::{CLOSE_SLACK, PATIENCE};
use integration_tests::{
    Proxied, Subject, connections, eventually, holds_for, nothing_is_left, reaches, within,
};
use qa_pool::core::{Forced, Recovery};
use qa_pool::{Backend, ErrorKind, Group, Result, Settings, ShutdownReport, State};
use qa_servers::proxy::{Faults, Way};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What the closes may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Within this those who wait for a lease are told that there is none any more.
const AT_ONCE: Duration = Duration::from_millis(250);

/// For so long nobody must come back: longer than a driver's own heartbeat.
const NEVER: Duration = Duration::from_secs(3);

pub(crate) async fn close_during_connect_leaves_nothing<S: Subject>() {
    let proxied = Proxied::<S>::new("close-in-connect", Settings::default()).await;
    proxied.proxy.set(Faults::silent());
    let waiting = waits_for_a_lease(&proxied.rig.group);
    eventually("a dial is under way", PATIENCE, async || proxied.connections() > 0).await;
    assert_eq!(proxied.rig.group.state(), State::Connecting);

    let report = closes(proxied, Some(waiting)).await;
    assert!(report.is_clean(), "nothing was connected: {report}");
}

pub(crate) async fn close_during_reconnect_leaves_nothing<S: Subject>() {
    let settings = Settings {
        health_interval: Duration::from_millis(200),
        health_timeout: Duration::from_millis(300),
        // A dial that began unseen gives way to one that is seen, for which whoever waits has the time.
        connect_timeout: Duration::from_secs(1),
        acquire_timeout: PATIENCE,
        ..Settings::default()
    };
    let proxied = Proxied::<S>::connected("close-in-reconnect", settings).await;
    proxied.proxy.set(Faults::silent());
    reaches(&proxied.rig.group, State::Reconnecting, PATIENCE).await;
    let waiting = waits_for_a_lease(&proxied.rig.group);
    let before = proxied.proxy.counts().accepted;
    eventually("a dial is under way", PATIENCE, async || {
        proxied.proxy.counts().accepted > before && proxied.connections() > 0
    })
    .await;

    let report = closes(proxied, Some(waiting)).await;
    // Where the driver heals its client itself there is one to say goodbye to, which is not heard.
    if S::Backend::RECOVERY == Recovery::Supervisor {
        assert!(report.is_clean(), "nothing was connected: {report}");
    }
    let forced = report.resources.iter().flat_map(|resource| &resource.forced);
    assert!(forced.clone().all(|forced| matches!(forced, Forced::Goodbye(_))), "{report}");
}

pub(crate) async fn close_during_a_ping_is_clean<S: Subject>() {
    let settings = Settings { health_interval: Duration::from_millis(50), ..Settings::default() };
    let proxied = Proxied::<S>::connected("close-in-ping", settings).await;
    // A driver that gives up a connection with its ping says goodbye over a new one, which takes it five
    // round trips with TLS and a login, within a second.
    let late = Way { latency: Duration::from_millis(100), ..Way::default() };
    proxied.proxy.set(Faults { to_client: late, ..Faults::default() });
    let before = proxied.proxy.counts().bytes_to_server;
    eventually("a ping is on its way", PATIENCE, async || {
        proxied.proxy.counts().bytes_to_server > before
    })
    .await;

    let report = closes(proxied, None).await;
    assert!(report.is_clean(), "the server answers: {report}");
}

fn waits_for_a_lease<B: Backend>(group: &Group<B>) -> JoinHandle<Result<()>> {
    let group = group.clone();
    tokio::spawn(async move { group.acquire().await.map(drop) })
}

/// Closes: in time, whoever waits is told at once, and nothing stays or comes back, not even when
/// the server could be reached again.
async fn closes<S: Subject>(
    proxied: Proxied<S>,
    waiting: Option<JoinHandle<Result<()>>>,
) -> ShutdownReport {
    let Proxied { mut rig, proxy, server: _server } = proxied;
    let pool = rig.pool.clone();
    let closing = tokio::spawn(async move { pool.close(LIMIT).await });
    if let Some(waiting) = waiting {
        let told = within("who waits is told", AT_ONCE, waiting).await.unwrap();
        let error = told.expect_err("there is no lease to be had");
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
    let report = within("the close", LIMIT + CLOSE_SLACK, closing).await.unwrap();
    assert_eq!(rig.group.state(), State::Closed);

    proxy.heal();
    rig.dismiss_guide().await;
    nothing_is_left(&proxy).await;
    let accepted = proxy.counts().accepted;
    holds_for("no zombie", NEVER, async || {
        connections(proxy.port()) == 0 && proxy.counts().accepted == accepted
    })
    .await;
    report
}

//! With a connection on which nothing comes through any more, in neither direction, without a word.

use super::{NOTICED, PATIENCE, back, load};
use integration_tests::{Proxied, Subject, eventually, within};
use qa_pool::{Settings, State};
use qa_servers::proxy::Faults;
use std::time::Duration;
use tokio::time::timeout;

/// For so long there must be no second word about a loss. Attempts are under way meanwhile.
const QUIET: Duration = Duration::from_secs(2);

pub(crate) async fn half_open_idle_is_noticed_once_and_heals<S: Subject>() {
    let proxied = Proxied::<S>::connected("half-open-idle", Settings::default()).await;
    let rig = &proxied.rig;
    let mut watch = rig.watch();

    proxied.proxy.set(Faults::silent());
    let lost = within("the notice", NOTICED, watch.next()).await.unwrap();
    assert_eq!((lost.from, lost.to), (State::Ready, State::Reconnecting));
    assert!(lost.cause.is_some_and(|cause| cause.kind().is_transient()));
    assert!(timeout(QUIET, watch.next()).await.is_err(), "it is told once");

    proxied.proxy.heal();
    let back = within("the way back", back(rig), watch.next()).await.unwrap();
    assert_eq!((back.from, back.to), (State::Reconnecting, State::Ready));
    rig.use_it(1).await.unwrap();
    let status = rig.status();
    assert_eq!((status.generation, status.stats.disconnects), (2, 1));
    proxied.settles().await;
    proxied.close().await;
}

pub(crate) async fn half_open_busy_hangs_no_operation<S: Subject>() {
    let proxied = Proxied::<S>::connected("half-open-busy", load::settings()).await;
    let rig = &proxied.rig;
    let (silence, heal) =
        (async || proxied.proxy.set(Faults::silent()), async || proxied.proxy.heal());
    load::outlives(rig, silence, heal).await;
    eventually("the load's connections are let go", PATIENCE, async || {
        proxied.connections() <= S::MOST_CONNECTIONS
    })
    .await;
    proxied.close().await;
}

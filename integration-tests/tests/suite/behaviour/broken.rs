//! With a server that is killed or frozen under us.

use super::{CLOSE_SLACK, NOTICED, PATIENCE, back, load, to_break};
use integration_tests::{Rig, Subject, connections, eventually, holds_for, reaches, within};
use qa_pool::{Settings, State};
use qa_servers::Server;
use std::time::{Duration, Instant};

async fn connected<S: Subject>(server: &Server) -> Rig<S> {
    connected_with(server, Settings::default()).await
}

async fn connected_with<S: Subject>(server: &Server, settings: Settings) -> Rig<S> {
    Rig::connected_to(server, S::SYSTEM.name(), settings).await
}

pub(crate) async fn a_frozen_server_is_noticed_and_comes_back<S: Subject>() {
    let server = to_break::<S>().await;
    let rig = connected::<S>(&server).await;

    server.freeze().await.unwrap();
    let noticed = reaches(&rig.group, State::Reconnecting, NOTICED).await;
    server.thaw().await.unwrap();
    let came = reaches(&rig.group, State::Ready, back(&rig)).await;
    eprintln!("{}: frozen, noticed after {noticed:.1?}, back after {came:.1?}", S::SYSTEM);
    rig.use_it(3).await.unwrap();
    rig.close().await;
    eventually("nothing is left", PATIENCE, async || connections(server.port()) == 0).await;
}

pub(crate) async fn a_frozen_server_hangs_no_operation<S: Subject>() {
    let server = to_break::<S>().await;
    let rig = connected_with::<S>(&server, load::settings()).await;
    let (freeze, thaw) =
        (async || server.freeze().await.unwrap(), async || server.thaw().await.unwrap());
    load::outlives(&rig, freeze, thaw).await;
    rig.close().await;
    eventually("nothing is left", PATIENCE, async || connections(server.port()) == 0).await;
}

pub(crate) async fn close_is_bounded_with_a_frozen_server<S: Subject>() {
    const LIMIT: Duration = Duration::from_secs(1);
    let server = to_break::<S>().await;
    let rig = connected::<S>(&server).await;
    // A lease that does not come back is the worst case: the close has to wait for it, too.
    let lease = rig.group.acquire().await.unwrap();

    server.freeze().await.unwrap();
    let began = Instant::now();
    let report = within("the close", PATIENCE, rig.pool.close(LIMIT)).await;
    let took = began.elapsed();
    assert!(took <= LIMIT + CLOSE_SLACK, "took {took:?}: {report}");
    assert!(!report.is_clean() && report.to_string().contains("lease"), "{report}");
    assert_eq!(rig.group.state(), State::Closed);
    assert!(lease.is_lost());

    server.thaw().await.unwrap();
    drop((lease, rig));
    eventually("nothing is left", PATIENCE, async || connections(server.port()) == 0).await;
}

pub(crate) async fn dropped_while_the_server_is_down_it_never_comes_back<S: Subject>() {
    let server = to_break::<S>().await;
    // One that went on would be seen soon.
    let settings = Settings { backoff_cap: Duration::from_millis(500), ..Settings::default() };
    let rig = connected_with::<S>(&server, settings).await;
    server.kill().await.unwrap();
    reaches(&rig.group, State::Reconnecting, NOTICED).await;

    let mut watch = rig.group.watch();
    drop(rig);
    let closed = within("the close behind our back", PATIENCE, watch.wait_for(State::Closed)).await;
    assert!(closed);
    drop(watch);

    server.start_again().await.unwrap();
    eventually("the starter's own connections are gone", PATIENCE, async || {
        connections(server.port()) == 0
    })
    .await;
    // Longer than a driver's own heartbeat.
    holds_for("no zombie", Duration::from_secs(3), async || connections(server.port()) == 0).await;
}

//! With a server that goes down and comes up again.

use super::{NOTICED, PATIENCE, back, to_break};
use integration_tests::{Rig, Subject, connections, eventually, reaches};
use qa_pool::{ErrorKind, Settings, State};
use qa_servers::{Error, Server};

pub(crate) async fn comes_back_after_kill<S: Subject>() {
    comes_back::<S>(async |server| server.kill().await).await;
}

/// A server that is stopped in order may say so first, and drains what it has.
pub(crate) async fn comes_back_after_restart<S: Subject>() {
    comes_back::<S>(async |server| server.stop().await).await;
}

async fn comes_back<S: Subject>(goes_down: impl AsyncFnOnce(&Server) -> Result<(), Error>) {
    let server = to_break::<S>().await;
    let rig = Rig::<S>::connected_to(&server, S::SYSTEM.name(), Settings::default()).await;
    rig.use_it(1).await.unwrap();

    goes_down(&server).await.unwrap();
    let noticed = reaches(&rig.group, State::Reconnecting, NOTICED).await;
    let error = rig.group.try_acquire().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");

    server.start_again().await.unwrap();
    let back = reaches(&rig.group, State::Ready, back(&rig)).await;
    eprintln!("{}: down, noticed after {noticed:.1?}, back after {back:.1?}", S::SYSTEM);
    rig.use_it(2).await.unwrap();
    let status = rig.status();
    assert_eq!((status.generation, status.stats.disconnects), (2, 1));
    rig.close().await;
    eventually("nothing is left", PATIENCE, async || connections(server.port()) == 0).await;
}

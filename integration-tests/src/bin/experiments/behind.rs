//! Resources that each have a bad network of their own in front of a shared server.

use futures_util::future::join_all;
use integration_tests::{Rig, Subject, connections, reaches, servers};
use qa_pool::{Settings, State};
use qa_servers::proxy::{FaultProxy, Faults};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Until a state is reached that is promised within seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What closes in the background (a driver's pool, a proxy's end of a connection) has this long.
const SETTLING: Duration = Duration::from_secs(2);

/// A resource, and the proxy that it is connected through.
pub(crate) struct Behind<S: Subject> {
    pub(crate) proxy: FaultProxy,
    pub(crate) rig: Rig<S>,
}

impl<S: Subject> Behind<S> {
    /// So many of them, connected.
    pub(crate) async fn connected(count: usize, name: &str, settings: &Settings) -> Vec<Self> {
        let server = servers::shared(S::SYSTEM).await;
        let url = S::url(server, name).await;
        let one = || async {
            let proxy = FaultProxy::open(server.port()).await;
            let rig = Rig::connected(name, &proxy.url(&url), settings.clone()).await;
            Self { proxy, rig }
        };
        join_all((0..count).map(|_| one())).await
    }

    /// Closes it, and gives the connections that it left.
    pub(crate) async fn close(self) -> usize {
        self.rig.close().await;
        settled(0, || connections(self.proxy.port())).await
    }
}

/// Puts all of them under the same faults.
pub(crate) fn all_under<S: Subject>(resources: &[Behind<S>], faults: &Faults) {
    for one in resources {
        one.proxy.set(faults.clone());
    }
}

/// Takes all faults back.
pub(crate) fn heal<S: Subject>(resources: &[Behind<S>]) {
    for one in resources {
        one.proxy.heal();
    }
}

/// How long each took to reach `state`.
pub(crate) async fn all_reach<S: Subject>(resources: &[Behind<S>], state: State) -> Vec<Duration> {
    let reached = resources.iter().map(|one| reaches(&one.rig.group, state, PATIENCE));
    join_all(reached).await
}

/// Closes all of them, and gives the connections that they left.
pub(crate) async fn close_all<S: Subject>(resources: Vec<Behind<S>>) -> usize {
    join_all(resources.into_iter().map(Behind::close)).await.into_iter().sum()
}

/// A count, once it is down to `wanted` or has had its time for that.
pub(crate) async fn settled(wanted: usize, count: impl Fn() -> usize) -> usize {
    let deadline = Instant::now() + SETTLING;
    loop {
        let now = count();
        if now <= wanted || Instant::now() >= deadline {
            return now;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// The files that this process has open, sockets included.
pub(crate) fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

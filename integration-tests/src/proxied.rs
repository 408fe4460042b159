//! A rig whose way to its server leads through a fault proxy.

use crate::{Rig, Subject, connections, eventually, servers};
use qa_pool::Settings;
use qa_servers::proxy::FaultProxy;
use std::fmt;
use std::time::Duration;

/// How long connections may take to be as they should: a pool closes its idle ones after seconds.
const SETTLED: Duration = Duration::from_secs(30);

/// A rig on the shared server, with a fault proxy of its own on the way: what it breaks is broken
/// for nobody else.
pub struct Proxied<S: Subject> {
    /// The rig.
    pub rig: Rig<S>,
    /// What is between it and the server.
    pub proxy: FaultProxy,
}

impl<S: Subject> Proxied<S> {
    /// One that is not connected yet; the resource is called `name`, and no other test's is.
    ///
    /// # Panics
    /// Where there is no server or no free port.
    pub async fn new(name: &str, settings: Settings) -> Self {
        let server = servers::shared(S::SYSTEM).await;
        let proxy = FaultProxy::open(server.port()).await;
        let url = proxy.url(&S::url(server, name).await);
        Self { rig: Rig::new(name, &url, settings), proxy }
    }

    /// The connections that a pool, where the client has one, may keep beyond those of one that nobody
    /// uses: it was making them when nothing came through, or a ping and a question met.
    pub const SPARE: usize = if S::A_CUT_IS_A_LOSS { 0 } else { 2 };

    /// One that is connected.
    ///
    /// # Panics
    /// Where it can't be.
    pub async fn connected(name: &str, settings: Settings) -> Self {
        let proxied = Self::new(name, settings).await;
        proxied.rig.pool.connect().await.unwrap();
        proxied.settles().await;
        proxied
    }

    /// How many connections the client has.
    #[must_use]
    pub fn connections(&self) -> usize {
        connections(self.proxy.port())
    }

    /// Waits until the client has the connections of one that nobody uses, and
    /// [`SPARE`](Self::SPARE) ones at the most.
    ///
    /// # Panics
    /// Where it keeps more, or does not get them.
    pub async fn settles(&self) {
        let (least, most) = (S::CONNECTIONS, S::CONNECTIONS + Self::SPARE);
        let what = format!("it settles with {least} to {most} connections");
        eventually(&what, SETTLED, async || (least..=most).contains(&self.connections())).await;
    }

    /// Closes the pool, which must be clean, and leave no connection on either side.
    ///
    /// # Panics
    /// Where it is not so.
    pub async fn close(self) {
        let Self { rig, proxy } = self;
        rig.close().await;
        nothing_is_left(&proxy).await;
    }
}

/// Waits until neither the client nor the server has a connection.
///
/// # Panics
/// Where one stays.
pub async fn nothing_is_left(proxy: &FaultProxy) {
    eventually("nothing is left", SETTLED, async || {
        connections(proxy.port()) == 0 && proxy.counts().open == 0
    })
    .await;
}

impl<S: Subject> fmt::Debug for Proxied<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxied").field("pool", &self.rig.pool).field("proxy", &self.proxy).finish()
    }
}

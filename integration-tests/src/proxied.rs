//! A rig whose way to its server leads through a fault proxy.

use crate::{Lent, Rig, Subject, connections, eventually};
use qa_pool::Settings;
use qa_servers::proxy::FaultProxy;
use std::fmt;
use std::time::Duration;

/// How long connections may take to be as they should: a pool closes its idle ones after seconds.
const SETTLED: Duration = Duration::from_secs(30);

/// A rig with a fault proxy of its own on the way to the server: what it breaks is broken for nobody
/// else.
pub struct Proxied<S: Subject> {
    /// The rig.
    pub rig: Rig<S>,
    /// What is between it and the server.
    pub proxy: FaultProxy,
    /// The server behind it.
    pub server: Lent,
}

impl<S: Subject> Proxied<S> {
    /// One that is not connected yet; the resource is called `name`, and no other test's is.
    ///
    /// # Panics
    /// Where there is no server or no free port.
    pub async fn new(name: &str, settings: Settings) -> Self {
        let server = S::to_proxy().await;
        let proxy = FaultProxy::open(server.port()).await;
        let reach = S::reach(&server, Some(&proxy), name).await;
        Self { rig: Rig::reaching(reach, settings), proxy, server }
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
        let Self { rig, proxy, server: _server } = self;
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
        let Self { rig, proxy, server } = self;
        f.debug_struct("Proxied")
            .field("pool", &rig.pool)
            .field("proxy", proxy)
            .field("server", server)
            .finish()
    }
}

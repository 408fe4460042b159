//! Redis Cluster: a client over all of its nodes.
//!
//! The redis crate has one too (`cluster-async`). This one is its own because its sockets, its login,
//! its bounds and its way to tell a lost connection are those of a single server here: a node is
//! reached exactly as one is, and only whom a command is for is added.

mod commands;
mod join;
mod map;
mod pipeline;
mod request;
mod route;
mod seeds;
mod slot;
mod state;
mod value;

pub(crate) use commands::{Commands, known_commands};
pub(crate) use route::only_reads;
pub(crate) use seeds::Seeds;
pub(crate) use slot::slot_of;

use crate::link::Counts;
use crate::node::Node;
use crate::server::Server;
use crate::way::Way;
use futures_util::future::select_ok;
use redis::{ErrorKind, ProtocolVersion, RedisError, RedisResult};
use state::Shared;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

/// How long a connect waits for masters beyond the first one: one that is away does not hold it up
/// for longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A client over all nodes of a cluster. Clones are one: when the last is gone, so are its
/// connections.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    /// Ends the tasks.
    _end: DropGuard,
}

impl Cluster {
    /// Asks those that the URL names, and connects to the masters that they name: to as many as can be
    /// reached, at least one.
    pub(crate) async fn connect(seeds: &Arc<Seeds>) -> RedisResult<Self> {
        let seeds::First { map, commands, protocol } = seeds.first().await?;
        let shared = Arc::new(Shared::new(seeds, protocol, commands));
        let end = shared.stop.clone().drop_guard();
        let cluster = Self(Arc::new(Handle { shared, _end: end }));
        let shared = &cluster.0.shared;
        shared.adopt(map);
        shared.masters_are_settled(PATIENCE).await?;
        shared.tasks.spawn(Arc::clone(shared).keep());
        Ok(cluster)
    }

    /// Each master that is connected.
    pub(crate) fn masters(&self) -> Vec<Server> {
        self.0.shared.view().masters.iter().filter_map(|master| master.server()).collect()
    }

    /// The master that has this key.
    pub(crate) fn master_of(&self, key: &[u8]) -> RedisResult<Server> {
        let view = self.0.shared.view();
        let slot = slot_of(key);
        let master = view.master_of(slot).ok_or_else(|| nobody_has(slot))?;
        master.server().ok_or_else(|| {
            self.look_again();
            away(&format!("{} is not connected", master.place))
        })
    }

    /// How another connection to the master of this key is made, or to any node.
    pub(crate) fn way(&self, key: Option<&str>) -> RedisResult<Arc<Way>> {
        if let Some(key) = key {
            return self.master_of(key.as_bytes()).map(|server| server.way());
        }
        let view = self.0.shared.view();
        let live: Vec<_> = view.live().collect();
        fastrand::choice(live).map(|node| Arc::clone(&node.way)).ok_or_else(nobody)
    }

    pub(crate) fn protocol(&self) -> ProtocolVersion {
        self.0.shared.protocol
    }

    pub(crate) fn counts(&self) -> Counts {
        let view = self.0.shared.view();
        let each = view.live().filter_map(|node| node.server()).map(|server| server.counts());
        each.fold(Counts::default(), Counts::and)
    }

    /// `PING`, to all masters: whether one of them answers. Each is watched by itself.
    pub(crate) async fn ping(&self) -> RedisResult<()> {
        let masters = self.masters();
        if masters.is_empty() {
            return Err(nobody());
        }
        let each = masters.iter().map(|master| Box::pin(master.ping()));
        select_ok(each).await.map(|((), _)| ())
    }

    /// Has the map asked for soon.
    pub(crate) fn look_again(&self) {
        self.0.shared.look_again();
    }

    pub(crate) fn impairment(&self) -> Option<String> {
        self.0.shared.condition.borrow().clone()
    }

    pub(crate) async fn impairment_changed(&self, impaired: bool) {
        let mut condition = self.0.shared.condition.subscribe();
        // The sender lives as long as this handle.
        let _ = condition.wait_for(|condition| condition.is_some() != impaired).await;
    }

    /// Resolves when no master is connected any more, or after a close.
    pub(crate) async fn lost(&self) -> RedisError {
        self.0.shared.fate.lost().await.error()
    }

    /// Ends all connections, and waits until they are closed.
    pub(crate) async fn close(&self) {
        let shared = &self.0.shared;
        shared.fate.seal(crate::fate::Reason::Closed);
        shared.stop.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
    }
}

impl Shared {
    /// Waits until one master is connected, and for the others as long as that is no hold-up. Where none
    /// can be reached, the error of one of them.
    async fn masters_are_settled(&self, patience: Duration) -> RedisResult<()> {
        let some = self.until(|view| {
            if view.masters.iter().any(|master| master.is_live()) {
                return Some(Ok(()));
            }
            let errors: Option<Vec<_>> =
                view.masters.iter().map(|master| master.trouble()).collect();
            errors?.into_iter().next().map(Err)
        });
        some.await?;
        let all = self.until(|view| {
            let settled = |node: &Arc<Node>| node.is_live() || node.trouble().is_some();
            view.masters.iter().all(settled).then_some(())
        });
        // Who is not there by then is missing, which is told.
        let _ = timeout(patience, all).await;
        Ok(())
    }
}

/// Nothing was sent, because nobody is there to send it to.
fn away(why: &str) -> RedisError {
    let text = format!("{why}, and the command was not sent");
    io::Error::new(io::ErrorKind::NotConnected, text).into()
}

fn nobody_has(slot: u16) -> RedisError {
    away(&format!("no node of the cluster has slot {slot}"))
}

fn nobody() -> RedisError {
    (ErrorKind::ClusterConnectionNotFound, "no node of the cluster is connected").into()
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = self.0.shared.view();
        let masters: Vec<_> =
            view.masters.iter().map(|node| (node.place.to_string(), node.is_live())).collect();
        f.debug_struct("Cluster")
            .field("protocol", &self.protocol())
            .field("masters", &masters)
            .field("impairment", &self.impairment())
            .finish_non_exhaustive()
    }
}

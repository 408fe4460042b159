//! The proxy itself.

use super::counts::Tally;
use super::door::{Entry, keep};
use super::scene::Scene;
use super::{Counts, Direction, Faults};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// A loopback port in front of a server's, which does to connections what it is told to.
///
/// When it is dropped, its port and its connections are closed.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    server: u16,
    entry: Arc<Entry>,
    scene: watch::Sender<Scene>,
    tally: Arc<Tally>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Opens a port in front of the loopback port `server`, which need not listen yet. There are no
    /// faults at first.
    ///
    /// It runs on the runtime from which this is called.
    ///
    /// # Panics
    /// Where there is no free port: it is for tests.
    ///
    /// # Cancel safety
    /// When the future is dropped, the port is closed again.
    pub async fn open(server: u16) -> Self {
        let entry = Arc::new(Entry::new().unwrap());
        let (scene, watched) = watch::channel(Scene::default());
        let (listening, listens) = oneshot::channel();
        let tally = Arc::<Tally>::default();
        let task = tokio::spawn(keep(entry.clone(), server, watched, tally.clone(), listening));
        let proxy = Self { port: entry.port(), server, entry, scene, tally, task };
        listens.await.unwrap();
        proxy
    }

    /// The port that clients connect to, on `127.0.0.1`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// That URL of the server, with the proxy's port in place of the server's.
    ///
    /// # Panics
    /// Where the URL does not name the server's port.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let replaced = replace_port(url, self.server, self.port);
        // The URL itself may hold a password.
        replaced.unwrap_or_else(|| panic!("the url does not name port {}", self.server))
    }

    /// Replaces all faults, for open connections and new ones.
    ///
    /// The kernel refuses, or accepts again, when this returns; all else acts as soon as the
    /// runtime gets to it.
    ///
    /// # Panics
    /// Where the kernel does not let the port listen again.
    pub fn set(&self, faults: Faults) {
        self.change(|now| *now = faults);
    }

    /// Changes some of the faults and keeps the others. Otherwise like [`set`](FaultProxy::set).
    ///
    /// # Panics
    /// Where the kernel does not let the port listen again.
    pub fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.scene.send_modify(|scene| {
            let before = scene.faults.clone();
            change(&mut scene.faults);
            self.entry.obey(&before, &scene.faults);
            *self.tally.first() = None;
        });
    }

    /// The faults that hold now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.scene.borrow().faults.clone()
    }

    /// Takes all faults back. What was held back goes on, and so do the connections that were kept
    /// waiting; those that were cut are not mended.
    ///
    /// # Panics
    /// Where the kernel does not let the port listen again.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// Ends every open connection in order: each end is told that the other has said all. What is
    /// under way is lost.
    ///
    /// A connection is open from when the proxy accepted it ([`Counts::accepted`]); one that the
    /// kernel still has in its queue is a later one.
    pub fn cut(&self) {
        self.scene.send_modify(|scene| scene.orders.cuts += 1);
    }

    /// Ends every open connection by a TCP reset to both ends. Otherwise like
    /// [`cut`](FaultProxy::cut).
    pub fn reset(&self) {
        self.scene.send_modify(|scene| scene.orders.resets += 1);
    }

    /// Ends one direction of every open connection in order. The receiver is told that there is no
    /// more; the sender is told nothing, and what it says is lost. The other direction goes on.
    pub fn half_close(&self, way: Direction) {
        self.scene.send_modify(|scene| scene.orders.half_close(way));
    }

    /// What passed through it so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// When a connection was accepted first since the faults were last changed, if one was.
    #[must_use]
    pub fn first_accepted(&self) -> Option<Instant> {
        *self.tally.first()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.entry.shut();
        self.task.abort();
    }
}

/// The URL with one port in place of another, wherever its hosts name that; `None` where none does.
fn replace_port(url: &str, old: u16, new: u16) -> Option<String> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let hosts = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let (wanted, replacement) = (format!(":{old}"), format!(":{new}"));
    let replace = |host: &str| {
        let name = host.strip_suffix(&wanted);
        name.map_or_else(|| host.to_owned(), |name| format!("{name}{replacement}"))
    };
    let replaced: Vec<_> = url[hosts..end].split(',').map(replace).collect();
    let replaced = replaced.join(",");
    let changed = replaced != url[hosts..end];
    (changed || old == new).then(|| format!("{}{replaced}{}", &url[..hosts], &url[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_replaced_where_a_host_names_it_and_nowhere_else() {
        for (url, expected) in [
            ("redis://app::99@127.0.0.1:99/99", Some("redis://app::99@127.0.0.1:7/99")),
            ("mongodb://a:1,b:99/?x=h:99", Some("mongodb://a:1,b:7/?x=h:99")),
            ("clickhouse://h:99", Some("clickhouse://h:7")),
            ("amqp://a:99@h:199/v", None),
            ("h:99", None),
        ] {
            assert_eq!(replace_port(url, 99, 7).as_deref(), expected, "{url}");
        }
    }
}

//! What a cluster is like now, and who keeps it so.

use super::commands::Commands;
use super::map::Map;
use super::seeds::Seeds;
use crate::fate::{Fate, Reason};
use crate::node::{Interested, Node};
use crate::place::Place;
use arc_swap::ArcSwap;
use redis::{ProtocolVersion, RedisError};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the map is asked for: while all is well, and while something is missing.
const CALM: Duration = Duration::from_secs(10);
const SEARCH: Duration = Duration::from_millis(250);

/// It is never asked for more often than this.
const SHORTEST: Duration = Duration::from_millis(100);

/// A map, and the nodes that it names.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) map: Map,
    /// The masters, and each one's replicas if they are read from, in the order of the map's shards.
    pub(super) masters: Vec<Arc<Node>>,
    pub(super) replicas: Vec<Vec<Arc<Node>>>,
    /// These and those that we were sent to but that have no slots.
    nodes: HashMap<Place, Arc<Node>>,
}

/// What the clones of a client and the tasks that serve them share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) seeds: Arc<Seeds>,
    pub(super) protocol: ProtocolVersion,
    pub(super) commands: Commands,
    view: ArcSwap<View>,
    /// Who changes the view.
    changing: Mutex<()>,
    /// A node came or went, or the view is another one.
    changed: Notify,
    look: Notify,
    pub(super) condition: watch::Sender<Option<String>>,
    pub(super) fate: Fate,
    /// The client is gone, or closed.
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Shared {
    /// Without any nodes yet.
    pub(super) fn new(seeds: &Arc<Seeds>, protocol: ProtocolVersion, commands: Commands) -> Self {
        Self {
            seeds: Arc::clone(seeds),
            protocol,
            commands,
            view: ArcSwap::default(),
            changing: Mutex::default(),
            changed: Notify::new(),
            look: Notify::new(),
            condition: watch::Sender::new(None),
            fate: Fate::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    pub(super) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Has the map asked for soon.
    pub(super) fn look_again(&self) {
        self.look.notify_one();
    }

    /// Resolves when `found` finds something, which is looked for whenever something changed.
    pub(super) async fn until<T>(&self, found: impl Fn(&View) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on none is missed.
            changed.as_mut().enable();
            if let Some(found) = found(&self.view.load()) {
                return found;
            }
            changed.await;
        }
    }

    /// Has the nodes that the map names, and no others.
    pub(super) fn adopt(self: &Arc<Self>, map: Map) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.view();
        if old.map == map {
            return;
        }
        let mut nodes = HashMap::new();
        let mut node = |place: &Place| {
            let new = || old.nodes.get(place).map_or_else(|| self.begin(place), Arc::clone);
            Arc::clone(nodes.entry(place.clone()).or_insert_with(new))
        };
        let masters = map.shards.iter().map(|shard| node(&shard.master)).collect();
        let replicas = if self.seeds.may_read_replicas() {
            let of = |shard: &super::map::Shard| shard.replicas.iter().map(&mut node).collect();
            map.shards.iter().map(of).collect()
        } else {
            vec![Vec::new(); map.shards.len()]
        };
        for (place, node) in &old.nodes {
            if !nodes.contains_key(place) {
                node.stop.cancel();
            }
        }
        if !old.nodes.is_empty() {
            let masters: Vec<_> = map.shards.iter().map(|shard| shard.master.to_string()).collect();
            tracing::info!(resource = self.seeds.name(), ?masters, "the cluster has changed");
        }
        self.view.store(Arc::new(View { map, masters, replicas, nodes }));
        self.changed();
    }

    /// The node there; it becomes one of ours if it is not, because somebody sent us to it.
    pub(super) fn meet(self: &Arc<Self>, place: &Place) -> Arc<Node> {
        if let Some(known) = self.view.load().nodes.get(place) {
            return Arc::clone(known);
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.view();
        if let Some(known) = old.nodes.get(place) {
            return Arc::clone(known);
        }
        let node = self.begin(place);
        let mut nodes = old.nodes.clone();
        nodes.insert(place.clone(), Arc::clone(&node));
        let (masters, replicas) = (old.masters.clone(), old.replicas.clone());
        self.view.store(Arc::new(View { map: old.map.clone(), masters, replicas, nodes }));
        node
    }

    fn begin(self: &Arc<Self>, place: &Place) -> Arc<Node> {
        let way = self.seeds.way_to(place.clone());
        let node = Arc::new(Node::new(place.clone(), way, self.stop.child_token()));
        self.tasks.spawn(Arc::clone(&node).keep(Arc::clone(self)));
        node
    }

    /// Whether nothing is missing, and nobody about to be.
    fn is_well(&self) -> bool {
        let whole = self.condition.borrow().is_none();
        whole && self.view.load().masters.iter().all(|master| master.is_well())
    }

    /// Asks for the map for as long as the client lives, and gives the cluster up when after a look no
    /// master is connected.
    pub(super) async fn keep(self: Arc<Self>) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(async {
            loop {
                let pause = if self.is_well() { CALM } else { SEARCH };
                tokio::select! {
                    () = sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
                    () = self.look.notified() => {}
                }
                if let Some(map) = self.seeds.map_of(&self.view()).await {
                    self.adopt(map);
                }
                if self.view().masters.iter().all(|master| !master.is_live()) {
                    self.fate.seal(Reason::Broken);
                    return;
                }
                sleep(SHORTEST).await;
            }
        })
        .await;
    }
}

impl Interested for Shared {
    fn changed(&self) {
        let view = self.view.load();
        let condition = view.missing();
        self.condition.send_if_modified(|before| {
            let other = *before != condition;
            *before = condition;
            other
        });
        self.changed.notify_waiters();
    }

    fn lost(&self, node: &Node, cause: &RedisError) {
        if !self.stop.is_cancelled() {
            let resource = self.seeds.name();
            tracing::warn!(resource, node = %node.place, %cause, "a node of the cluster was lost");
        }
        self.look_again();
    }

    fn in_doubt(&self) {
        self.look_again();
    }
}

impl View {
    pub(super) fn master_of(&self, slot: u16) -> Option<&Arc<Node>> {
        self.masters.get(self.map.shard_of(slot)?)
    }

    /// Every node that is connected.
    pub(super) fn live(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values().filter(|node| node.is_live())
    }

    /// What can't be reached, for people.
    fn missing(&self) -> Option<String> {
        let mut text = String::new();
        let away: Vec<_> = self.masters.iter().filter(|master| !master.is_live()).collect();
        if !away.is_empty() {
            let (connected, all) = (self.masters.len() - away.len(), self.masters.len());
            // Writing into a text can't fail.
            let _ = write!(text, "{connected} of {all} masters are connected; missing:");
            for (number, node) in away.into_iter().enumerate() {
                let _ = write!(text, "{} {}", if number > 0 { "," } else { "" }, node.place);
            }
        }
        let uncovered = self.map.uncovered();
        if uncovered > 0 {
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{separator}{uncovered} slots have no master");
        }
        (!text.is_empty()).then_some(text)
    }
}

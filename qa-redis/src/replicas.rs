//! The replicas of a master that sentinels name: connected, to answer what only reads.

use crate::cluster::{Commands, only_reads};
use crate::node::{Interested, Node};
use crate::place::Place;
use crate::server::Server;
use crate::way::{Route, Way};
use arc_swap::ArcSwap;
use redis::{Cmd, Pipeline, RedisError};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// How often the sentinels are asked who there is: while all are well, and while one is not.
const CALM: Duration = Duration::from_secs(10);
const SEARCH: Duration = Duration::from_secs(1);

/// The replicas. When this is dropped, they are left.
pub(crate) struct Replicas {
    shared: Arc<Shared>,
    commands: Commands,
    /// Whose turn it is.
    turn: AtomicUsize,
    _end: DropGuard,
}

/// What the tasks that keep them share.
struct Shared {
    way: Arc<Way>,
    nodes: ArcSwap<Vec<Arc<Node>>>,
    look: Notify,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Replicas {
    /// Begins to look for them; until one is there the master answers.
    pub(crate) fn start(way: &Arc<Way>, commands: Commands) -> Self {
        let stop = CancellationToken::new();
        let end = stop.clone().drop_guard();
        let (nodes, look, tasks) = (ArcSwap::default(), Notify::new(), TaskTracker::new());
        let shared = Arc::new(Shared { way: Arc::clone(way), nodes, look, stop, tasks });
        shared.tasks.spawn(Arc::clone(&shared).keep());
        Self { shared, commands, turn: AtomicUsize::new(0), _end: end }
    }

    /// The one whose turn it is, if the command only reads and one is connected.
    pub(crate) fn for_command(&self, command: &Cmd) -> Option<Server> {
        only_reads(command, &self.commands).then(|| self.next()).flatten()
    }

    /// The same of a pipeline: one that writes reads what it wrote from the master.
    pub(crate) fn for_pipeline(&self, pipeline: &Pipeline) -> Option<Server> {
        let mut commands = pipeline.cmd_iter();
        let reads = commands.all(|command| only_reads(command, &self.commands));
        (reads && !pipeline.is_empty()).then(|| self.next()).flatten()
    }

    fn next(&self) -> Option<Server> {
        let nodes = self.shared.nodes.load();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut in_turn = (0..nodes.len()).map(|nth| &nodes[(turn + nth) % nodes.len()]);
        in_turn.find_map(|node| node.server())
    }

    /// Leaves them, and waits until their connections are closed.
    pub(crate) async fn close(&self) {
        let shared = &self.shared;
        shared.stop.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
    }
}

impl Shared {
    /// Has those connected that the sentinels name, for as long as they are wanted.
    async fn keep(self: Arc<Self>) {
        let Route::Sentinels(sentinels) = &self.way.route else { return };
        let stop = self.stop.clone();
        stop.run_until_cancelled(async {
            loop {
                let named = sentinels.replicas(self.way.tls.as_ref()).await;
                let found = named.is_ok();
                if let Ok(places) = named {
                    self.adopt(&places);
                }
                let well = found && self.nodes.load().iter().all(|node| node.is_well());
                let pause = if well { CALM } else { SEARCH };
                tokio::select! {
                    () = sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
                    () = self.look.notified() => sleep(SEARCH).await,
                }
            }
        })
        .await;
    }

    /// Has these, and no others.
    fn adopt(self: &Arc<Self>, places: &[Place]) {
        let old = self.nodes.load_full();
        let known = |place: &Place| old.iter().find(|node| node.place == *place).cloned();
        let nodes = places.iter().map(|place| known(place).unwrap_or_else(|| self.begin(place)));
        let nodes: Vec<_> = nodes.collect();
        for node in old.iter().filter(|node| !places.contains(&node.place)) {
            node.stop.cancel();
        }
        self.nodes.store(Arc::new(nodes));
    }

    fn begin(self: &Arc<Self>, place: &Place) -> Arc<Node> {
        let Way { options, tls, .. } = &*self.way;
        let route = Route::Direct(place.clone());
        let way = Way { options: options.clone(), tls: tls.clone(), route };
        let node = Arc::new(Node::new(place.clone(), way, self.stop.child_token()));
        self.tasks.spawn(Arc::clone(&node).keep(Arc::clone(self)));
        node
    }
}

impl Interested for Shared {
    /// Whoever is asked next looks.
    fn changed(&self) {}

    fn lost(&self, node: &Node, cause: &RedisError) {
        if !self.stop.is_cancelled() {
            let resource = self.way.options.name.as_deref().unwrap_or_default();
            tracing::warn!(resource, replica = %node.place, %cause, "a replica was lost");
        }
        self.look.notify_one();
    }

    fn in_doubt(&self) {
        self.look.notify_one();
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.shared.nodes.load();
        let each = nodes.iter().map(|node| (node.place.to_string(), node.is_live()));
        f.debug_list().entries(each).finish()
    }
}

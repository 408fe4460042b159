//! Redis Cluster: three masters that share the keys, each with a replica.

use std::time::Duration;

use super::{nodes, redis_node};
use crate::address::Address;
use crate::process::redis_server;
use crate::speak::Answer;
use crate::{Error, Server, System};

const NAME: &str = "redis cluster";
const NODES: usize = 6;
const MASTERS: usize = 3;
/// How long it may take until someone leads.
const LIMIT: Duration = Duration::from_secs(30);
/// After five seconds a replica gives up to take over, and can be asked again; before, that would
/// only make it begin anew.
const FAILOVER: Duration = Duration::from_secs(6);
const TRIES: u32 = 5;

/// A Redis Cluster of three masters with a replica each on loopback: a second after a master is
/// lost, the others agree on it, and its replica takes its slots.
///
/// Meanwhile no node takes commands (`CLUSTERDOWN`), as with the defaults of Redis. When it is
/// dropped, its nodes are killed and their data removed; when the program ends without that, their
/// watchdogs do it.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Server>,
}

impl RedisCluster {
    /// Starts six processes, makes them one cluster, and waits until all are in their places.
    /// Takes three to four seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when there is no `redis-server` or one did not start; [`Error::Cluster`]
    /// when they did not become a cluster within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start() -> Result<Self, Error> {
        let like = Address::local(System::Redis, 0, None)?;
        let prepare = |home: &_| redis_server::cluster_node(home, &like);
        let cluster = Self { nodes: nodes::start_all(System::Redis, NODES, prepare).await? };
        cluster.found().await?;
        cluster.wait_ready(System::Redis.start_limit()).await?;
        Ok(cluster)
    }

    /// A cluster of one: a server of the caller's own like any other, which can be broken in the same
    /// ways, but has all slots of a cluster, and speaks to clients as its only node. Takes a second.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when there is no `redis-server` or it did not start; [`Error::Cluster`] when it
    /// did not take the slots within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn lone() -> Result<Server, Error> {
        let node = nodes::start(System::Redis, redis_server::lone_cluster_node).await?;
        let (address, limit) = (&node.address, System::Redis.start_limit());
        let assign = || nodes::ask(address, redis_node::assign_slots(address, 0, 1));
        nodes::until(NAME, "slots", limit, assign).await?;
        nodes::until(NAME, "state", limit, || nodes::ask(address, redis_node::serves(address)))
            .await?;
        Ok(node)
    }

    /// Has a node of a cluster tell clients that they find it at this port of this machine, such as that
    /// of a fault proxy before it. Until it starts again.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] where it does not take that within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, it may tell so or not.
    pub async fn announce(node: &Server, port: u16) -> Result<(), Error> {
        let address = &node.address;
        let announce = || nodes::ask(address, redis_node::announce(address, port));
        nodes::until(NAME, "announced port", LIMIT, announce).await
    }

    /// The URL of each node, **with the password** of a user that may do everything, in the order
    /// of [`nodes`](RedisCluster::nodes). A client of the cluster takes any or all.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// The nodes, in an order that stays; the first three are the first masters.
    #[must_use]
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The master that has the key. Waits while there is none, or while the cluster as it sees it
    /// is down.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] where there is none within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn leader_of(&self, key: &str) -> Result<&Server, Error> {
        nodes::until(NAME, "master of the key", LIMIT, || self.look_for_leader_of(key)).await
    }

    /// Has the key's master change places with its replica, as before maintenance, and returns the
    /// new one. A client finds out when it is sent on (`MOVED`). Every node must be in its place.
    /// Takes a moment, but seconds when the key had another master two seconds ago: the masters
    /// vote so often only.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] where no other leads within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the leader may change or not.
    pub async fn hand_over(&self, key: &str) -> Result<&Server, Error> {
        let old = &self.leader_of(key).await?.address;
        let look = || async move {
            let leader = self.look_for_leader_of(key).await?;
            let other = leader.port() != old.port;
            other.then_some(leader).ok_or_else(|| format!("node {} is still master", old.port))
        };
        let mut tries = 0;
        loop {
            tries += 1;
            nodes::until(NAME, "failover", LIMIT, || self.begin_failover(old)).await?;
            let next = nodes::until(NAME, "other master of the key", FAILOVER, look).await;
            if next.is_ok() || tries == TRIES {
                return next;
            }
        }
    }

    /// Waits until every node is in its place: all know all, none sees anything wrong, each master
    /// has a replica, and each replica its data.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] after `limit`, with the node that was not.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        nodes::until(NAME, "nodes all in place", limit, || self.look_at_all()).await
    }

    /// Kills the nodes and removes their data.
    ///
    /// Dropping does the same; this one waits without blocking the thread.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what is left is removed by its drop.
    pub async fn remove(self) {
        nodes::remove_all(self.nodes).await;
    }

    /// Gives each master its slots, makes all nodes known to each other, and gives each master its
    /// replica. Each step may be done again.
    async fn found(&self) -> Result<(), Error> {
        let limit = System::Redis.start_limit();
        nodes::until(NAME, "slots", limit, || self.assign_slots()).await?;
        nodes::until(NAME, "acquaintances", limit, || self.introduce()).await?;
        nodes::until(NAME, "replicas", limit, || self.assign_replicas()).await
    }

    async fn assign_slots(&self) -> Answer<()> {
        for (number, node) in self.nodes.iter().enumerate() {
            let address = &node.address;
            nodes::ask(address, redis_node::assign_slots(address, number, MASTERS)).await?;
        }
        Ok(())
    }

    async fn introduce(&self) -> Answer<()> {
        let (first, others) = (&self.nodes[0].address, &self.nodes[1..]);
        for Server { address, .. } in others {
            nodes::ask(address, redis_node::meet(address, first)).await?;
        }
        Ok(())
    }

    async fn assign_replicas(&self) -> Answer<()> {
        let (masters, replicas) = self.nodes.split_at(MASTERS);
        for (Server { address: master, .. }, Server { address, .. }) in masters.iter().zip(replicas)
        {
            let id = nodes::ask(master, redis_node::id(master)).await?;
            nodes::ask(address, redis_node::replicate(address, &id)).await?;
        }
        Ok(())
    }

    async fn begin_failover(&self, old: &Address) -> Answer<()> {
        let id = nodes::ask(old, redis_node::id(old)).await?;
        let take_over = |address| redis_node::take_over(address, &id);
        nodes::ask_all(&self.nodes, take_over).await.into_iter().collect()
    }

    /// Of two that both claim the key, the later one has it: the other has just been thawed and
    /// does not know yet.
    async fn look_for_leader_of(&self, key: &str) -> Answer<&Server> {
        let answers = nodes::ask_all(&self.nodes, |address| redis_node::claim(address, key)).await;
        let claims = self.nodes.iter().zip(answers);
        let claims = claims.filter_map(|(node, epoch)| Some((epoch.ok()??, node)));
        let last = claims.max_by_key(|(epoch, _)| *epoch);
        last.map(|(_, node)| node).ok_or_else(|| "no node that is well has it".to_owned())
    }

    async fn look_at_all(&self) -> Answer<()> {
        let check = |address| redis_node::check(address, NODES);
        nodes::ask_all(&self.nodes, check).await.into_iter().collect()
    }
}

//! Redis: a master with two replicas, and three sentinels who replace it.

use std::time::Duration;

use super::nodes;
use crate::address::Address;
use crate::process::redis_server;
use crate::speak::Answer;
use crate::speak::redis::{Connection, field};
use crate::{Error, Server, System};

const NAME: &str = "redis replication under sentinels";
/// The name under which the sentinels know the master.
const MASTER: &str = "main";
/// How long it may take until someone leads.
const LIMIT: Duration = Duration::from_secs(30);
const REPLICAS: usize = 2;
const SENTINELS: usize = 3;

/// A Redis master, two replicas and three sentinels on loopback: a second after the master is
/// lost, two of the sentinels agree on it and make a replica the master.
///
/// All six have the same user and password. A failover that follows another within six seconds
/// waits until they are over; a master that comes back is made a replica after some ten. When it
/// is dropped, all six are killed and their data removed; when the program ends without that,
/// their watchdogs do it.
#[derive(Debug)]
pub struct RedisSentinels {
    nodes: Vec<Server>,
    sentinels: Vec<Server>,
}

impl RedisSentinels {
    /// Starts six processes, and waits until the sentinels know the replicas and each other. Takes
    /// two to three seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when there is no `redis-server` or one did not start; [`Error::Cluster`]
    /// when they did not all find each other within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start() -> Result<Self, Error> {
        let like = Address::local(System::Redis, 0, None)?;
        let master = |home: &_| redis_server::replicated(home, &like, None);
        let master = nodes::start(System::Redis, master).await?;
        let port = master.port();
        let replica = |home: &_| redis_server::replicated(home, &like, Some(port));
        let mut nodes = vec![master];
        nodes.extend(nodes::start_all(System::Redis, REPLICAS, replica).await?);
        let mut cluster = Self { nodes, sentinels: Vec::new() };
        let limit = System::Redis.start_limit();
        // A sentinel asks a master for its replicas only every ten seconds.
        nodes::until(NAME, "replicas", limit, || cluster.look_at_replicas(port)).await?;
        let sentinel = |home: &_| redis_server::sentinel(home, &like, MASTER, port);
        cluster.sentinels = nodes::start_all(System::Redis, SENTINELS, sentinel).await?;
        cluster.wait_ready(limit).await?;
        Ok(cluster)
    }

    /// A sentinel that is alone, has the login of `master`, and names to clients, as
    /// [`NAME_OF_LONE`](Self::NAME_OF_LONE), this port of this machine: the master's own, or that of a
    /// fault proxy before it. It never replaces the master, because nobody votes with it.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when it did not start.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn lone(master: &Server, port: u16) -> Result<Server, Error> {
        let sentinel = |home: &_| redis_server::sentinel(home, &master.address, MASTER, port);
        nodes::start(System::Redis, sentinel).await
    }

    /// The name under which a sentinel that is [alone](Self::lone) knows its master.
    pub const NAME_OF_LONE: &str = MASTER;

    /// The URL of each data node, **with the password** of a user that may do everything, in the
    /// order of [`nodes`](RedisSentinels::nodes).
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }

    /// The URL of each sentinel. User and password are those of the data nodes.
    #[must_use]
    pub fn sentinel_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::url).collect()
    }

    /// The name by which the sentinels are asked for the master.
    #[must_use]
    pub fn master_name(&self) -> &'static str {
        MASTER
    }

    /// The data nodes, in an order that stays; the first is the first master.
    #[must_use]
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The sentinels, which are servers that can be broken as well.
    #[must_use]
    pub fn sentinels(&self) -> &[Server] {
        &self.sentinels
    }

    /// The master: the one that most sentinels name and that says so too. Waits while there is
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] where there is none within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn leader(&self) -> Result<&Server, Error> {
        nodes::until(NAME, "master", LIMIT, || self.look_for_leader()).await
    }

    /// Has the sentinels make a replica the master, as before maintenance, and returns it. The old
    /// master stays up and becomes a replica: a client finds out when a write is refused. Every
    /// node must be in its place.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] where no other leads within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the leader may change or not.
    pub async fn hand_over(&self) -> Result<&Server, Error> {
        let old = self.leader().await?.port();
        let sentinel = &self.sentinels[0].address;
        let look = || async move {
            let leader = self.look_for_leader().await?;
            if leader.port() != old {
                return Ok(leader);
            }
            // It gives up what it began where no replica answered it lately or none was promoted
            // in time, and does not begin anew by itself.
            nodes::ask(sentinel, begin_failover(sentinel, old)).await?;
            Err(format!("node {old} is still master"))
        };
        nodes::until(NAME, "other master", LIMIT, look).await
    }

    /// Waits until every node is in its place: one is master, the others replicate it, and every
    /// sentinel knows all of them and sees nothing wrong.
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

    /// Kills the nodes and the sentinels, and removes their data.
    ///
    /// Dropping does the same; this one waits without blocking the thread.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what is left is removed by its drop.
    pub async fn remove(self) {
        nodes::remove_all(self.nodes.into_iter().chain(self.sentinels)).await;
    }

    async fn look_for_leader(&self) -> Answer<&Server> {
        let answers = nodes::ask_all(&self.sentinels, named_master).await;
        let named: Vec<u16> = answers.into_iter().filter_map(Result::ok).collect();
        let votes = |node: &Server| named.iter().filter(|port| **port == node.port()).count();
        let most = self.nodes.iter().find(|node| votes(node) > SENTINELS / 2);
        let leader = most.ok_or_else(|| format!("the sentinels name {named:?}"))?;
        match nodes::ask(&leader.address, followed(&leader.address)).await? {
            None => Ok(leader),
            Some(_) => Err(format!("node {} is not master yet", leader.port())),
        }
    }

    /// Whether all but the master replicate it.
    async fn look_at_replicas(&self, master: u16) -> Answer<()> {
        let answers = nodes::ask_all(&self.nodes, followed).await;
        for (node, follows) in self.nodes.iter().zip(answers) {
            if node.port() != master && follows? != Some(master) {
                return Err(format!("node {} does not replicate {master}", node.port()));
            }
        }
        Ok(())
    }

    async fn look_at_all(&self) -> Answer<()> {
        let leader = self.look_for_leader().await?.port();
        self.look_at_replicas(leader).await?;
        for view in nodes::ask_all(&self.sentinels, view).await {
            let view = view?;
            if view != (leader, REPLICAS, SENTINELS - 1) {
                return Err(format!("a sentinel sees master, replicas and others as {view:?}"));
            }
        }
        Ok(())
    }
}

/// The port of the master that a sentinel names.
async fn named_master(sentinel: &Address) -> Answer<u16> {
    let mut connection = Connection::open(sentinel).await?;
    let place = connection.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]).await?;
    let port = place.get(1).and_then(|port| port.parse().ok());
    port.ok_or_else(|| "it names no master".to_owned())
}

/// Has the sentinel replace the master on the port `old`, unless it is about it or has done it.
async fn begin_failover(sentinel: &Address, old: u16) -> Answer<()> {
    let mut connection = Connection::open(sentinel).await?;
    // Both in one answer: one that has ended its failover names the new master from that moment.
    let master = connection.command(&["SENTINEL", "MASTER", MASTER]).await?;
    let under_way = value(&master, "flags").contains("failover_in_progress");
    if under_way || value(&master, "port") != old.to_string() {
        return Ok(());
    }
    connection.command(&["SENTINEL", "FAILOVER", MASTER]).await.map(drop)
}

/// The port of the master that a data node replicates; `None` of a master.
async fn followed(node: &Address) -> Answer<Option<u16>> {
    let info = Connection::open(node).await?.text(&["INFO", "replication"]).await?;
    if field(&info, "role") == "master" {
        return Ok(None);
    }
    if field(&info, "master_link_status") != "up" {
        return Err("it has no link to its master".to_owned());
    }
    Ok(field(&info, "master_port").parse().ok())
}

/// What a sentinel sees that sees nothing wrong: the master's port, how many replicas in order,
/// and how many other sentinels.
async fn view(sentinel: &Address) -> Answer<(u16, usize, usize)> {
    let mut connection = Connection::open(sentinel).await?;
    let master = connection.command(&["SENTINEL", "MASTER", MASTER]).await?;
    if value(&master, "flags") != "master" {
        return Err(format!("it sees the master as {}", value(&master, "flags")));
    }
    let others = value(&master, "num-other-sentinels").parse().unwrap_or_default();
    let replicas = connection.command(&["SENTINEL", "REPLICAS", MASTER]).await?;
    let in_order = |pair: &&[String]| pair[0] == "flags" && pair[1] == "slave";
    let replicas = replicas.windows(2).filter(in_order).count();
    Ok((value(&master, "port").parse().unwrap_or_default(), replicas, others))
}

/// The value of a field in an answer of names and values by turns.
fn value<'a>(pairs: &'a [String], name: &str) -> &'a str {
    let pair = pairs.chunks_exact(2).find(|pair| pair[0] == name);
    pair.map(|pair| pair[1].as_str()).unwrap_or_default()
}

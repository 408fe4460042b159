//! MongoDB: three nodes that elect their primary.

use std::time::Duration;

use bson::doc;

use super::nodes;
use crate::address::Address;
use crate::process::mongod;
use crate::speak::{Answer, mongodb};
use crate::{Error, Server, System};

const NAME: &str = "mongodb replica set";
const NODES: usize = 3;
/// How long it may take until someone leads.
const LIMIT: Duration = Duration::from_secs(30);
/// A node without a word of the primary for so long calls an election, in milliseconds.
const ELECTION: i32 = 1000;

/// A MongoDB replica set of three on loopback: a second after its primary is lost, the other two
/// elect another.
///
/// Every node can be primary. When it is dropped, its nodes are killed and their data removed;
/// when the program ends without that, their watchdogs do it.
#[derive(Debug)]
pub struct MongoReplicaSet {
    nodes: Vec<Server>,
}

impl MongoReplicaSet {
    /// Starts three processes, makes them one set, and waits until all are in their places and
    /// let a client log in. Takes three to five seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when there is no `mongod` or one did not start; [`Error::Cluster`] when
    /// they did not become a set within 60 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start() -> Result<Self, Error> {
        let like = Address::local(System::MongoDb, 0, None)?;
        let prepare = |home: &_| mongod::member(home, &like);
        let nodes = nodes::start_all(System::MongoDb, NODES, prepare).await?;
        let set = Self { nodes };
        set.found().await?;
        set.wait_ready(System::MongoDb.start_limit()).await?;
        Ok(set)
    }

    /// A set of one: a server of the caller's own like any other, which can be broken in the same ways.
    /// Its [`url`](Server::url) leads to the server alone; [`url_of_lone`](Self::url_of_lone) leads to
    /// the set. Takes two seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when there is no `mongod` or it did not start.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn lone() -> Result<Server, Error> {
        nodes::start(System::MongoDb, mongod::lone).await
    }

    /// The URL that a client of a set of one connects to, **with the password**, when it is told to find
    /// it at this port of this machine. The client then goes where the set says that its member is.
    #[must_use]
    pub fn url_of_lone(node: &Server, port: u16) -> String {
        let Address { user, password, host, .. } = &node.address;
        let set = mongod::SET;
        format!("mongodb://{user}:{password}@{host}:{port}/?authSource=admin&replicaSet={set}")
    }

    /// Has a set of one tell clients that they find its member at this port of this machine, such as that
    /// of a fault proxy before it. Something has to pass on what comes there: the member looks whether it
    /// finds itself, now and whenever it starts again.
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
        let announce = || nodes::ask(address, mongodb::announce(address, port));
        nodes::until(NAME, "announced port", LIMIT, announce).await?;
        let look = || nodes::ask(address, mongodb::login(address));
        nodes::until(NAME, "primary", LIMIT, look).await
    }

    /// The URL that a client of the whole set connects to, **with the password** of a user that
    /// may do everything.
    ///
    /// `mongodb://…@127.0.0.1:a,127.0.0.1:b,127.0.0.1:c/?authSource=admin&replicaSet=rs0`.
    #[must_use]
    pub fn url(&self) -> String {
        let Address { user, password, .. } = &self.nodes[0].address;
        let places: Vec<String> = self.nodes.iter().map(|node| node.address.place()).collect();
        let (places, set) = (places.join(","), mongod::SET);
        format!("mongodb://{user}:{password}@{places}/?authSource=admin&replicaSet={set}")
    }

    /// The nodes, in an order that stays. The URL of one leads to that one alone.
    #[must_use]
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The primary. Waits while there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] where there is none within 30 seconds.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn leader(&self) -> Result<&Server, Error> {
        nodes::until(NAME, "primary", LIMIT, || self.look_for_leader()).await
    }

    /// Has the primary step down, as before maintenance, and returns the next one. Connections stay
    /// open: a client finds out when a write is refused. For three seconds the old one is not elected
    /// again. Every node must be in its place.
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
        let look = || async move {
            let leader = self.look_for_leader().await?;
            if leader.port() != old {
                return Ok(leader);
            }
            nodes::ask(&leader.address, mongodb::step_down(&leader.address)).await?;
            Err(format!("node {old} is still primary"))
        };
        nodes::until(NAME, "other primary", LIMIT, look).await
    }

    /// Waits until every node is in its place: one is primary, the others follow it, and each lets
    /// a client log in.
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

    /// Makes the nodes a set with a user.
    async fn found(&self) -> Result<(), Error> {
        let limit = System::MongoDb.start_limit();
        nodes::until(NAME, "first configuration", limit, || self.initiate()).await?;
        nodes::until(NAME, "user", limit, || self.create_user()).await
    }

    async fn initiate(&self) -> Answer<()> {
        let addresses: Vec<&Address> = self.nodes.iter().map(|node| &node.address).collect();
        let settings = doc! {
            "electionTimeoutMillis": ELECTION,
            "heartbeatIntervalMillis": ELECTION / 2,
            "catchUpTimeoutMillis": ELECTION,
        };
        let first = addresses[0];
        nodes::ask(first, mongodb::initiate(first, &addresses, settings)).await
    }

    async fn create_user(&self) -> Answer<()> {
        let leader = &self.look_for_leader().await?.address;
        nodes::ask(leader, mongodb::create_user(leader)).await
    }

    /// Of two that both take themselves for primary, the later elected one is it: the other has
    /// just been thawed and does not know yet.
    async fn look_for_leader(&self) -> Answer<&Server> {
        let answers = nodes::ask_all(&self.nodes, mongodb::hello).await;
        let primaries = self.nodes.iter().zip(answers).filter_map(|(node, hello)| {
            let hello = hello.ok().filter(|hello| hello.primary)?;
            Some((hello.election, node))
        });
        let last = primaries.max_by_key(|(election, _)| *election);
        last.map(|(_, node)| node).ok_or_else(|| "no node says that it is primary".to_owned())
    }

    async fn look_at_all(&self) -> Answer<()> {
        let leader = self.look_for_leader().await?.address.place();
        let answers = nodes::ask_all(&self.nodes, async |address| {
            mongodb::login(address).await?;
            mongodb::hello(address).await
        });
        for (node, hello) in self.nodes.iter().zip(answers.await) {
            if hello?.follows.as_ref() != Some(&leader) {
                return Err(format!("node {}: it does not follow {leader}", node.port()));
            }
        }
        Ok(())
    }
}

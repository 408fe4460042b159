//! RabbitMQ: three nodes that replicate quorum queues.

use std::time::Duration;

use futures_util::future::try_join_all;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::nodes;
use crate::address::Address;
use crate::ports::free_port;
use crate::process::Process;
use crate::process::rabbitmq::{self, Plan};
use crate::speak::{Answer, http};
use crate::{Error, Server, System};

const NAME: &str = "rabbitmq cluster";
const NODES: usize = 3;
/// How long three nodes may take to start together on two busy cores.
const START: Duration = Duration::from_secs(180);
/// How long a queue may be without a leader.
const LEADERLESS: Duration = Duration::from_secs(60);

/// A RabbitMQ cluster of three on loopback: each quorum queue has its leader on one node and its
/// followers on the others, which elect another within two seconds when that node dies.
///
/// A node that is cut off from both others pauses: with two killed, the third lets nobody in. Each
/// node has its management plugin. When it is dropped, its nodes are killed and their data
/// removed; when the program ends without that, their watchdogs do it.
#[derive(Debug)]
pub struct RabbitMqCluster {
    nodes: Vec<Server>,
    names: Vec<String>,
    epmd: Process,
}

impl RabbitMqCluster {
    /// Starts three processes, which find each other, and waits until each sees all and lets a
    /// client log in. Takes ten to thirty seconds: the processor is what counts.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when there is no RabbitMQ or a node did not start; [`Error::Cluster`] when
    /// they did not become a cluster within three minutes.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start() -> Result<Self, Error> {
        let names: Vec<String> = (1..=NODES).map(|at| format!("qa{at}@localhost")).collect();
        let like = Address::local(System::RabbitMq, 0, None)?;
        let plan = Plan { like, epmd: free_port()?, names };
        let (epmd, ()) = Process::launch(System::RabbitMq, |home| {
            rabbitmq::epmd(home, plan.epmd).map(|recipe| (recipe, ()))
        })?;
        let nodes = plan.names.iter().map(|name| {
            let plan = &plan;
            nodes::start(System::RabbitMq, move |home| rabbitmq::member(home, plan, name))
        });
        let nodes = try_join_all(nodes).await?;
        let cluster = Self { nodes, names: plan.names, epmd };
        cluster.wait_ready(START).await?;
        Ok(cluster)
    }

    /// The nodes, in an order that stays. The URL of one leads to that one; a client of the whole
    /// cluster is given [`url`](Self::url).
    #[must_use]
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The URL with all three hosts, **with the password** of a user that may do everything:
    /// `amqp://…@127.0.0.1:a,127.0.0.1:b,127.0.0.1:c/%2F`.
    #[must_use]
    pub fn url(&self) -> String {
        let places: Vec<String> = self.nodes.iter().map(|node| node.address.place()).collect();
        let first = self.nodes[0].url();
        first.replace(&places[0], &places.join(","))
    }

    /// The node that leads a queue: for a quorum queue the leader, for a classic one its home.
    /// Waits while there is none that says so of itself.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] where there is none within a minute.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn leader_of(&self, vhost: &str, queue: &str) -> Result<&Server, Error> {
        let look = || self.look_for_leader(vhost, queue);
        nodes::until(NAME, "leader of the queue", LEADERLESS, look).await
    }

    /// Waits until a quorum queue has a replica on every node and all are online.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] after `limit`, with the replicas that there are.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait_replicated(
        &self,
        vhost: &str,
        queue: &str,
        limit: Duration,
    ) -> Result<(), Error> {
        let look = || self.look_for_replicas(vhost, queue);
        nodes::until(NAME, "replicas of the queue on all nodes", limit, look).await
    }

    /// Waits until every node lets a client log in and says that it sees all.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] after `limit`, with the node that did not.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        nodes::until(NAME, "nodes that all see each other", limit, || self.look_at_all()).await
    }

    /// Kills the nodes and removes their data.
    ///
    /// Dropping does the same; this one waits without blocking the thread.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what is left is removed by its drop.
    pub async fn remove(mut self) {
        nodes::remove_all(self.nodes).await;
        // What fails here is done again by the drop, and after that by the watchdog.
        let _ = self.epmd.kill().await;
    }

    /// The figures of a node that lags behind or has died name another; the leader itself knows.
    async fn look_for_leader(&self, vhost: &str, queue: &str) -> Answer<&Server> {
        let path = queue_path(vhost, queue);
        let answers = nodes::ask_all(&self.nodes, |address| get(address, &path)).await;
        let mut said = Vec::new();
        for ((node, name), answer) in self.nodes.iter().zip(&self.names).zip(answers) {
            let leader =
                answer.map(|answer| text(&answer, "leader").or_else(|| text(&answer, "node")));
            if leader.as_ref().is_ok_and(|leader| leader.as_ref() == Some(name)) {
                return Ok(node);
            }
            said.push(format!("{name}: {leader:?}"));
        }
        Err(said.join(", "))
    }

    async fn look_for_replicas(&self, vhost: &str, queue: &str) -> Answer<()> {
        let leader = &self.look_for_leader(vhost, queue).await?.address;
        let answer = nodes::ask(leader, get(leader, &queue_path(vhost, queue))).await?;
        let online = answer["online"].as_array().map_or(0, Vec::len);
        if online == NODES { Ok(()) } else { Err(format!("online: {}", answer["online"])) }
    }

    async fn look_at_all(&self) -> Answer<()> {
        let answers = nodes::ask_all(&self.nodes, async |address| {
            crate::speak::amqp::login(address).await?;
            get(address, "/api/nodes").await
        });
        for (name, answer) in self.names.iter().zip(answers.await) {
            let answer = answer?;
            let seen = answer.as_array().into_iter().flatten();
            let running = seen.filter(|node| node["running"] == true).count();
            if running != NODES {
                return Err(format!("{name} sees {running} running nodes"));
            }
        }
        Ok(())
    }
}

fn queue_path(vhost: &str, queue: &str) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!("/api/queues/{}/{}", encode(vhost), encode(queue))
}

fn text(answer: &Value, field: &str) -> Option<String> {
    answer[field].as_str().map(str::to_owned)
}

/// Asks the management plugin.
async fn get(address: &Address, path: &str) -> Answer<Value> {
    let port = address.management.ok_or("it has no management port")?;
    let answer = http::request(address, port, "GET", path, "").await?;
    serde_json::from_str(&answer).map_err(|error| format!("the answer is no json: {error}"))
}

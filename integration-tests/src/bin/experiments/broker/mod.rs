//! Experiments that only RabbitMQ has, on one broker and on a cluster of three.

mod alarm;
mod fault;
mod ledger;
mod recovery;

pub(crate) use alarm::alarm;
pub(crate) use ledger::no_loss;
pub(crate) use recovery::recovery;

use crate::run::Against;
use integration_tests::{RabbitMq, Rig};
use qa_pool::amqp::Topology;
use qa_pool::{Lease, Settings, amqp};
use qa_servers::Server;
use qa_servers::cluster::RabbitMqCluster;
use qa_servers::proxy::FaultProxy;
use std::time::Duration;

/// Until something is there that is promised within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The virtual host that every broker has.
const VHOST: &str = "/";

/// One broker or three, each node behind a proxy of its own.
struct Broker {
    nodes: Nodes,
    proxies: Vec<FaultProxy>,
    url: String,
}

enum Nodes {
    One(Server),
    Three(RabbitMqCluster),
}

impl Nodes {
    fn all(&self) -> &[Server] {
        match self {
            Self::One(server) => std::slice::from_ref(server),
            Self::Three(cluster) => cluster.nodes(),
        }
    }
}

impl Broker {
    async fn start(against: Against) -> Self {
        let (nodes, mut url) = if against == Against::RabbitmqCluster {
            let cluster = RabbitMqCluster::start().await.unwrap();
            let url = cluster.url();
            (Nodes::Three(cluster), url)
        } else {
            let server = Server::start_owned(qa_servers::System::RabbitMq).await.unwrap();
            let url = server.url();
            (Nodes::One(server), url)
        };
        let mut proxies = Vec::new();
        for node in nodes.all() {
            let proxy = FaultProxy::open(node.port()).await;
            url = proxy.url(&url);
            proxies.push(proxy);
        }
        Self { nodes, proxies, url }
    }

    fn nodes(&self) -> &[Server] {
        self.nodes.all()
    }

    /// The node that leads a queue; of one broker that one.
    async fn leader(&self, queue: &str) -> &Server {
        match &self.nodes {
            Nodes::One(server) => server,
            Nodes::Three(cluster) => cluster.leader_of(VHOST, queue).await.unwrap(),
        }
    }

    /// A connected resource that has declared `topology`.
    async fn rig(&self, name: &str, topology: Topology) -> Rig<RabbitMq> {
        let rig = Rig::<RabbitMq>::connected(name, &self.url, Settings::default()).await;
        let declare = |lease: Lease<amqp::RabbitMq>| {
            let topology = topology.clone();
            async move { lease.declare(topology).await }
        };
        rig.group.run_idempotent(declare).await.unwrap();
        rig
    }

    /// Waits until a quorum queue is on all nodes.
    async fn replicated(&self, queue: &str) {
        if let Nodes::Three(cluster) = &self.nodes {
            cluster.wait_replicated(VHOST, queue, PATIENCE).await.unwrap();
        }
    }

    /// Closes every connection from the broker's side; a node that is down has none.
    async fn close_connections(&self) {
        for node in self.nodes() {
            let Ok(listed) = node.manage("GET", "/api/connections?columns=name", "").await else {
                continue;
            };
            let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
            for name in listed.iter().filter_map(|one| one["name"].as_str()) {
                let name = name.replace(' ', "%20").replace('>', "%3E").replace(':', "%3A");
                // Refused where it has gone since.
                let _ = node.manage("DELETE", &format!("/api/connections/{name}"), "").await;
            }
            return;
        }
    }

    async fn remove(self) {
        match self.nodes {
            Nodes::One(server) => server.remove().await,
            Nodes::Three(cluster) => cluster.remove().await,
        }
    }
}

//! No node stays behind, however a cluster ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use qa_servers::Server;
use qa_servers::testing::eventually;

use crate::traces::{Trace, listens};

const LIMIT: Duration = Duration::from_secs(30);

/// Where the nodes live, and their ports.
pub(crate) struct Traces(Vec<(Trace, u16)>);

impl Traces {
    /// Of nodes that all run.
    pub(crate) async fn of(nodes: impl IntoIterator<Item = &Server>) -> Self {
        let mut traces = Vec::new();
        for node in nodes {
            traces.push((Trace::of(node).await, node.port()));
        }
        assert!(traces.iter().all(|(trace, port)| trace.is_there() && listens(*port)));
        Self(traces)
    }

    /// Waits for the end of all.
    pub(crate) async fn are_gone(&self) {
        eventually("all nodes are gone", LIMIT, async || {
            !self.0.iter().any(|(trace, port)| trace.is_there() || listens(*port))
        })
        .await;
    }
}

/// A program of its own that holds a cluster which is up.
fn program(name: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_qa-server"))
        .arg(name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
    assert!(url.contains("://"), "{name}: {url}");
    child
}

async fn a_killed_program_leaves_no_node(name: &'static str, nodes: usize) {
    let mut child = tokio::task::spawn_blocking(move || program(name)).await.unwrap();
    let traces = Trace::all_watched_by_children_of(child.id());
    assert_eq!(traces.iter().filter(|trace| trace.is_there()).count(), nodes);
    child.kill().unwrap(); // signal 9
    child.wait().unwrap();
    eventually("all nodes are gone", LIMIT, async || !traces.iter().any(Trace::is_there)).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_replica_set() {
    a_killed_program_leaves_no_node("mongodb-set", 3).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_sentinels() {
    a_killed_program_leaves_no_node("redis-sentinels", 6).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_redis_cluster() {
    a_killed_program_leaves_no_node("redis-cluster", 6).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_rabbitmq_cluster_and_no_epmd() {
    a_killed_program_leaves_no_node("rabbitmq-cluster", 4).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_clickhouse_pair() {
    a_killed_program_leaves_no_node("clickhouse-pair", 2).await;
}

//! No node stays behind, however a cluster ends.

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

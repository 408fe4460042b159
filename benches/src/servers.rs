//! The servers that the benchmarks share.

use anyhow::{Context, Result};
use qa_servers::cluster::ClickHousePair;
use qa_servers::{Server, System};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The servers so far, each started when it is first asked for, and kept until the end.
#[derive(Default)]
pub(crate) struct Servers {
    started: BTreeMap<System, Arc<Server>>,
    pair: Option<ClickHousePair>,
}

impl Servers {
    /// The server of this system.
    pub(crate) async fn get(&mut self, system: System) -> Result<Arc<Server>> {
        if let Some(server) = self.started.get(&system) {
            return Ok(Arc::clone(server));
        }
        eprintln!("     starting {system}");
        let server = Arc::new(Server::start(system).await?);
        self.started.insert(system, Arc::clone(&server));
        Ok(server)
    }

    /// Its URL.
    pub(crate) async fn url(&mut self, system: System) -> Result<String> {
        Ok(self.get(system).await?.url())
    }

    /// A ClickHouse that speaks the native protocol too: its URL, and the URL of the native port, which
    /// has the same login.
    pub(crate) async fn native(&mut self) -> Result<(String, String)> {
        if self.pair.is_none() {
            eprintln!("     starting a clickhouse with a native port");
            self.pair = Some(ClickHousePair::start().await?);
        }
        let pair = self.pair.as_ref().context("it was started")?;
        let (node, native) = (&pair.nodes()[0], pair.native_ports()[0]);
        let url = node.url();
        let other = url.replace(&format!(":{}", node.port()), &format!(":{native}"));
        Ok((url, other))
    }

    pub(crate) async fn remove(self) {
        for server in self.started.into_values() {
            // One that somebody still holds is removed by its drop.
            if let Some(server) = Arc::into_inner(server) {
                server.remove().await;
            }
        }
        if let Some(pair) = self.pair {
            pair.remove().await;
        }
    }
}

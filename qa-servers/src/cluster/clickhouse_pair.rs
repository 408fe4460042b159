//! ClickHouse: two servers that know each other.

use std::time::Duration;

use futures_util::future::try_join;

use super::nodes;
use crate::address::Address;
use crate::ports::free_port;
use crate::process::chdb;
use crate::speak::http;
use crate::{Error, Server, System};

const NAME: &str = "clickhouse pair";

/// Two ClickHouse servers on loopback that know each other as the clusters
/// [`SHARDS`](Self::SHARDS) and [`REPLICAS`](Self::REPLICAS), for `Distributed` tables and
/// `cluster()`.
///
/// Neither leads, and nothing is copied between them: there is no keeper. When it is dropped, both
/// are killed and their data removed; when the program ends without that, their watchdogs do it.
#[derive(Debug)]
pub struct ClickHousePair {
    nodes: [Server; 2],
    natives: [u16; 2],
}

impl ClickHousePair {
    /// The name of the cluster with two shards: a query of it reads both servers, and fails where
    /// one is down, unless it has `skip_unavailable_shards`.
    pub const SHARDS: &str = chdb::SHARDS;
    /// The name of the cluster with two replicas of one shard: a query of it reads one of the
    /// servers, whichever is up.
    pub const REPLICAS: &str = chdb::REPLICAS;

    /// Starts two processes and waits until both let a client log in and reach each other. Takes
    /// about a second.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when there is no ClickHouse or one did not start; [`Error::Cluster`] when
    /// they did not reach each other within a minute.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start() -> Result<Self, Error> {
        let like = Address::local(System::ClickHouse, 0, None)?;
        let natives = [free_port()?, free_port()?];
        let start = |own| {
            let like = &like;
            nodes::start(System::ClickHouse, move |home| chdb::peer(home, like, natives, own))
        };
        let (one, two) = try_join(start(natives[0]), start(natives[1])).await?;
        let pair = Self { nodes: [one, two], natives };
        pair.wait_ready(System::ClickHouse.start_limit()).await?;
        Ok(pair)
    }

    /// The two. Each has a URL of its own, and the same login.
    #[must_use]
    pub fn nodes(&self) -> &[Server; 2] {
        &self.nodes
    }

    /// The ports at which the two speak the native protocol, with the same login, in the same order.
    #[must_use]
    pub fn native_ports(&self) -> [u16; 2] {
        self.natives
    }

    /// Waits until both let a client log in and reach each other.
    ///
    /// # Errors
    ///
    /// [`Error::Cluster`] after `limit`, with what the one that did not said.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        let sql = format!("SELECT count() FROM cluster({}, system.one)", Self::SHARDS);
        let look = async || {
            let ask = |address| http::request(address, address.port, "POST", "/", &sql);
            let answers = nodes::ask_all(&self.nodes, ask).await;
            answers.into_iter().try_for_each(|answer| answer.map(drop))
        };
        nodes::until(NAME, "nodes that reach each other", limit, look).await
    }

    /// Kills both and removes their data.
    ///
    /// Dropping does the same; this one waits without blocking the thread.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what is left is removed by its drop.
    pub async fn remove(self) {
        nodes::remove_all(self.nodes).await;
    }
}

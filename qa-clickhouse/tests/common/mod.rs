//! What the live tests share: one server that nobody breaks.
#![allow(dead_code, reason = "each test binary uses its own part")]

use qa_clickhouse::ClickHouse;
use qa_resource_core::{Resource, Settings, Target};
use qa_servers::testing::{connections, eventually};
use qa_servers::{Server, System};
use std::time::Duration;
use tokio::sync::OnceCell;

/// For what takes a moment, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Within this a loss is noticed.
pub(crate) const NOTICED: Duration = Duration::from_secs(8);

/// The server of this test binary; tests that break one start their own.
pub(crate) async fn shared() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(async || Server::start(System::ClickHouse).await.unwrap()).await
}

pub(crate) fn target(name: &str, url: &str) -> Target {
    Target::parse(name, url).unwrap()
}

pub(crate) fn backend(server: &Server) -> ClickHouse {
    ClickHouse::new(&target("bars", &server.url())).unwrap()
}

pub(crate) async fn resource(server: &Server, settings: Settings) -> Resource<ClickHouse> {
    let resource = Resource::new("bars", backend(server), settings);
    resource.connect().await.unwrap();
    resource
}

/// Waits until this process has no connection to `port`: the server's own figure leaves out idle
/// ones.
pub(crate) async fn no_connection(port: u16) {
    eventually("no connection of ours", PATIENCE, async || connections(port) == 0).await;
}

pub(crate) async fn execute(bars: &Resource<ClickHouse>, sql: &str) {
    bars.run(|lease| async move { lease.query(sql).execute().await }).await.unwrap();
}

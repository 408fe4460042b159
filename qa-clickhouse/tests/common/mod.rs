//! What the live tests share: one server that nobody breaks, and a look at this process's sockets.
#![allow(dead_code, reason = "each test binary uses its own part")]

use qa_clickhouse::ClickHouse;
use qa_resource_core::{Resource, Settings, Target};
use qa_servers::{Server, System};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

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

/// Polls until `condition` holds, at most 20 s.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited 20 s for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for something that must happen within `seconds`.
pub(crate) async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(seconds);
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| panic!("not within {limit:?}"))
}

/// How many connections to `port` are established from this machine: the server's own figure
/// leaves out idle ones.
pub(crate) fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let to_port = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        let remote = fields.next().and_then(|remote| remote.rsplit(':').next());
        remote == Some(format!("{port:04X}").as_str()) && fields.next() == Some("01")
    };
    table.lines().skip(1).filter(to_port).count()
}

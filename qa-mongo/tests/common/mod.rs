//! What the live tests share: one server that nobody breaks, and a second pair of eyes on it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use qa_mongo::mongodb;
use qa_resource_core::Target;
use qa_servers::{Server, System};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// The server of this test binary; tests that break one start their own.
pub(crate) async fn shared() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(async || Server::start(System::MongoDb).await.unwrap()).await
}

pub(crate) fn target(name: &str, url: &str) -> Target {
    Target::parse(name, url).unwrap()
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

/// A client of its own that asks the server who is connected.
pub(crate) struct Watcher(Client);

impl Watcher {
    pub(crate) async fn new(server: &Server) -> Self {
        let mut options = ClientOptions::parse(server.url()).await.unwrap();
        options.app_name = Some("watcher".to_owned());
        Self(Client::with_options(options).unwrap())
    }

    /// How many connections of the client called `app_name` the server has.
    pub(crate) async fn connections(&self, app_name: &str) -> usize {
        let stage = doc! { "$currentOp": { "allUsers": true, "idleConnections": true } };
        let ours = doc! { "$match": { "appName": app_name } };
        let admin = self.0.database("admin");
        let mut cursor = admin.aggregate([stage, ours]).with_type::<Document>().await.unwrap();
        let mut count = 0;
        while cursor.advance().await.unwrap() {
            count += 1;
        }
        count
    }
}

//! What the live tests share: one server that nobody breaks, and a second pair of eyes on it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use qa_mongo::mongodb;
use qa_resource_core::Target;
use qa_servers::testing::eventually;
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
    SERVER.get_or_init(async || Server::start(System::MongoDb).await.unwrap()).await
}

pub(crate) fn target(name: &str, url: &str) -> Target {
    Target::parse(name, url).unwrap()
}

/// A client of its own that asks the server who is connected.
pub(crate) struct Watcher(Client);

impl Watcher {
    pub(crate) async fn new(server: &Server) -> Self {
        let mut options = ClientOptions::parse(server.url()).await.unwrap();
        options.app_name = Some("watcher".to_owned());
        Self(Client::with_options(options).unwrap())
    }

    /// A database, as it sees it.
    pub(crate) fn database(&self, name: &str) -> Database {
        self.0.database(name)
    }

    /// How many connections of the client called `app_name` the server has.
    pub(crate) async fn connections(&self, app_name: &str) -> usize {
        // A transaction that nobody ends is a session without a connection, for a minute.
        let which = doc! { "allUsers": true, "idleConnections": true, "idleSessions": false };
        let stage = doc! { "$currentOp": which };
        let ours = doc! { "$match": { "appName": app_name } };
        let admin = self.0.database("admin");
        let mut cursor = admin.aggregate([stage, ours]).with_type::<Document>().await.unwrap();
        let mut count = 0;
        while cursor.advance().await.unwrap() {
            count += 1;
        }
        count
    }

    /// How many operations on a collection (`database.collection`) the server is working on.
    pub(crate) async fn works_on(&self, collection: &str) -> usize {
        let stage = doc! { "$currentOp": { "allUsers": true } };
        let on_it = doc! { "$match": { "ns": collection, "active": true } };
        let admin = self.0.database("admin");
        let mut cursor = admin.aggregate([stage, on_it]).await.unwrap();
        let mut count = 0;
        while cursor.advance().await.unwrap() {
            count += 1;
        }
        count
    }

    /// Waits until the server has no connection of the client called `app_name`.
    pub(crate) async fn sees_none_of(&self, app_name: &str) {
        let gone = async || self.connections(app_name).await == 0;
        eventually("no connection of ours", PATIENCE, gone).await;
    }
}

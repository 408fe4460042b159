//! Certificates that change while we run: those that we show, and those that we trust.
#![cfg(feature = "tls")]

mod common;

use common::{PATIENCE, target};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use qa_mongo::{MongoDb, Target, mongodb};
use qa_resource_core::{Backend, ErrorKind, Lease, Resource, Settings, State, TlsSettings};
use qa_servers::testing::eventually;
use qa_servers::tls::Authority;
use qa_servers::{Server, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Shows the client's certificate, and trusts nobody but `authority`.
fn showing(authority: &Authority) -> TlsSettings {
    TlsSettings {
        ca_file: Some(authority.path("ca.pem")),
        certificate_file: Some(authority.path("client.pem")),
        key_file: Some(authority.path("client.key")),
    }
}

async fn connected(name: &str, url: &str, tls: TlsSettings) -> Resource<MongoDb> {
    let mongo = MongoDb::new(&Target { tls, ..target(name, url) }).unwrap();
    let resource = Resource::new(name, mongo, Settings::default());
    resource.connect().await.unwrap();
    resource
}

/// Writers that stop for nothing but a failure.
struct Load {
    done: Arc<AtomicUsize>,
    over: CancellationToken,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(resource: &Resource<MongoDb>) -> Self {
        let (done, over) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let writer = |_| {
            let (resource, done, over) = (resource.clone(), Arc::clone(&done), over.clone());
            tokio::spawn(async move {
                while !over.is_cancelled() {
                    resource.run(write).await.unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let writers = (0..4).map(writer).collect();
        Self { done, over, writers }
    }

    async fn goes_on(&self) {
        let begun = self.done.load(Ordering::SeqCst);
        let more = async || self.done.load(Ordering::SeqCst) > begun + 50;
        eventually("writes go on", PATIENCE, more).await;
    }

    async fn ends(self) {
        self.over.cancel();
        for writer in self.writers {
            writer.await.unwrap();
        }
    }
}

async fn write(lease: Lease<MongoDb>) -> mongodb::error::Result<()> {
    let rotated = lease.database("test").collection::<Document>("rotated");
    rotated.insert_one(doc! {}).await.map(drop)
}

/// Has another client take over, and waits for it.
async fn reconnects(resource: &Resource<MongoDb>) {
    let generation = resource.status().generation + 1;
    resource.reconnect();
    let fresh =
        async || resource.status().generation == generation && resource.state() == State::Ready;
    eventually("there is a fresh client", PATIENCE, fresh).await;
}

/// Waits until the driver of `client` is shut down.
async fn is_closed(client: &Client) {
    let closed = async || {
        let ping = client.database("admin").run_command(doc! { "ping": 1 }).await;
        ping.is_err_and(|error| MongoDb::classify(&error).kind == ErrorKind::Closed)
    };
    eventually("the old one is closed", PATIENCE, closed).await;
}

/// As whom the server knows this client, from its certificate.
async fn known_as(client: &Client) -> String {
    let status = client.database("admin").run_command(doc! { "connectionStatus": 1 }).await;
    let status = status.unwrap();
    let users = status.get_document("authInfo").unwrap().get_array("authenticatedUsers").unwrap();
    users[0].as_document().unwrap().get_str("user").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_we_show_is_changed_under_load_and_no_operation_fails() {
    let authority = Authority::new();
    let server = Server::start_mutual_tls(System::MongoDb, &authority).await.unwrap();
    let operator = connected("operator", &server.url(), showing(&authority)).await;
    let operator_lease = operator.acquire().await.unwrap();
    let external = operator_lease.database("$external");
    for user in ["CN=first", "CN=second"] {
        let roles = vec![doc! { "role": "readWrite", "db": "test" }];
        external.run_command(doc! { "createUser": user, "roles": roles }).await.unwrap();
    }

    authority.renew_client("first");
    let port = server.port();
    let options = "tls=true&directConnection=true&authMechanism=MONGODB-X509";
    let url = format!("mongodb://127.0.0.1:{port}/?{options}");
    let quotes = connected("certified", &url, showing(&authority)).await;
    let load = Load::on(&quotes);
    load.goes_on().await;
    // Held over the change: what is under way on it goes on.
    let old = quotes.acquire().await.unwrap();
    assert_eq!(known_as(&old).await, "CN=first");

    authority.renew_client("second");
    load.goes_on().await;
    assert_eq!(known_as(&quotes.acquire().await.unwrap()).await, "CN=first", "nobody has asked");
    reconnects(&quotes).await;
    assert_eq!(known_as(&quotes.acquire().await.unwrap()).await, "CN=second");
    load.goes_on().await;
    assert_eq!(known_as(&old).await, "CN=first", "it is still served");
    let client = old.clone();
    drop(old);
    is_closed(&client).await;
    // And nobody needs the first any more.
    external.run_command(doc! { "dropUser": "CN=first" }).await.unwrap();
    load.goes_on().await;

    load.ends().await;
    assert!(quotes.close(PATIENCE).await.is_clean());
    let which = doc! { "allUsers": true, "idleConnections": true, "idleSessions": false };
    let ours = doc! { "$match": { "appName": "certified" } };
    let gone = async || {
        let admin = operator_lease.database("admin");
        let stages = [doc! { "$currentOp": which.clone() }, ours.clone()];
        !admin.aggregate(stages).await.unwrap().advance().await.unwrap()
    };
    eventually("no connection of ours", PATIENCE, gone).await;
    drop(operator_lease);
    assert!(operator.close(PATIENCE).await.is_clean());
    server.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_that_we_trust_is_changed_under_load_and_no_operation_fails() {
    let (first, second) = (Authority::new(), Authority::new());
    let mut server = Server::start_tls(System::MongoDb, &first).await.unwrap();
    let file = first.path("trusted.pem");
    let [one, other] = [&first, &second].map(|one| std::fs::read(one.path("ca.pem")).unwrap());
    std::fs::write(&file, &one).unwrap();
    let tls = TlsSettings { ca_file: Some(file.clone()), ..TlsSettings::default() };
    let quotes = connected("trusting", &server.url(), tls).await;
    let load = Load::on(&quotes);
    load.goes_on().await;

    // Both for a while, then the server's own, then the first is forgotten.
    std::fs::write(&file, [&one[..], &other].concat()).unwrap();
    reconnects(&quotes).await;
    load.goes_on().await;
    server.renew_certificate(&second).await.unwrap();
    load.goes_on().await;
    let old = quotes.acquire().await.unwrap();
    std::fs::write(&file, &other).unwrap();
    reconnects(&quotes).await;
    load.goes_on().await;
    let client = old.clone();
    drop(old);
    is_closed(&client).await;
    load.goes_on().await;

    load.ends().await;
    // Who trusts the first alone is not let on: what was read above was the new file.
    std::fs::write(&file, &one).unwrap();
    let tls = TlsSettings { ca_file: Some(file), ..TlsSettings::default() };
    let late = MongoDb::new(&Target { tls, ..target("late", &server.url()) }).unwrap();
    let error = late.connect().await.unwrap_err();
    assert_eq!(MongoDb::classify(&error).kind, ErrorKind::Connect, "{error}");
    assert!(quotes.close(PATIENCE).await.is_clean());
    server.remove().await;
}

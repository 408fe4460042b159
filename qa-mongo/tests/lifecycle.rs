//! The backend's own life, on a real server.

mod common;

use common::{PATIENCE, Watcher, shared, target};
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use qa_mongo::{MongoDb, mongodb};
use qa_resource_core::{Backend, ErrorKind, Outcome};
use qa_servers::testing::{Refused, eventually, within};
use qa_servers::{Server, System};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

fn class(error: &mongodb::error::Error) -> (ErrorKind, Outcome) {
    let class = MongoDb::classify(error);
    (class.kind, class.outcome)
}

#[tokio::test]
async fn connects_pings_and_leaves_no_connection_behind() {
    let server = shared().await;
    let watcher = Watcher::new(server).await;
    let mongo = MongoDb::new(&target("closes", &server.url())).unwrap();
    let client = mongo.connect().await.unwrap();
    mongo.ping(&client).await.unwrap();
    assert!(watcher.connections("closes").await > 0, "the server must know us by our name");
    mongo.close(client.clone()).await.unwrap();
    watcher.sees_none_of("closes").await;
    // Every clone is closed with it, and says so.
    let error = mongo.ping(&client).await.unwrap_err();
    assert_eq!(class(&error), (ErrorKind::Closed, Outcome::NotApplied), "{error}");
}

#[tokio::test]
async fn closes_in_time_although_a_cursor_is_open() {
    let server = shared().await;
    let watcher = Watcher::new(server).await;
    let mongo = MongoDb::new(&target("cursor", &server.url())).unwrap();
    let client = mongo.connect().await.unwrap();
    let numbers = MongoDb::database(&client).collection::<Document>("cursor");
    let many: Vec<_> = (0..500).map(|n| doc! { "n": n }).collect();
    numbers.insert_many(many).await.unwrap();
    let mut cursor = numbers.find(doc! {}).batch_size(10).await.unwrap();
    cursor.try_next().await.unwrap().unwrap();
    let start = Instant::now();
    mongo.close(client).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    watcher.sees_none_of("cursor").await;
    drop(cursor);
}

#[tokio::test]
async fn a_wrong_password_is_an_auth_error_that_shows_nothing_and_leaves_nothing() {
    let server = shared().await;
    let watcher = Watcher::new(server).await;
    let url = server.url().replace(server.password(), "c4n4ry");
    let mongo = MongoDb::new(&target("refused", &url)).unwrap();
    let error = mongo.connect().await.unwrap_err();
    assert_eq!(class(&error), (ErrorKind::Auth, Outcome::NotApplied), "{error}");
    assert!(!format!("{error} {error:?} {mongo:?} {}", mongo.address()).contains("c4n4ry"));
    watcher.sees_none_of("refused").await;
}

#[tokio::test]
async fn a_refused_port_is_a_connect_error_at_once() {
    let refused = Refused::new();
    let port = refused.port();
    // The driver itself would look for a server for as long as this.
    let url = format!("mongodb://u:p@127.0.0.1:{port}/?serverSelectionTimeoutMS=60000");
    let mongo = MongoDb::new(&target("nobody", &url)).unwrap();
    let error = within("the refusal", Duration::from_secs(5), mongo.connect()).await.unwrap_err();
    assert_eq!(class(&error), (ErrorKind::Connect, Outcome::NotApplied), "{error}");
}

#[tokio::test]
async fn a_server_that_stays_silent_is_given_up_on_and_hung_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!(
        "mongodb://u:p@127.0.0.1:{port}/?serverSelectionTimeoutMS=300&connectTimeoutMS=300"
    );
    let mongo = MongoDb::new(&target("silent", &url)).unwrap();
    let start = Instant::now();
    let error = mongo.connect().await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(class(&error), (ErrorKind::Connect, Outcome::NotApplied), "{error}");
    // The driver keeps dialing as long as it lives: what it dialed is closed, and no dial follows.
    eventually("the driver to be quiet", PATIENCE, async || {
        tokio::time::timeout(Duration::from_millis(700), listener.accept()).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_connect_that_is_dropped_leaves_nothing() {
    let server = shared().await;
    let watcher = Watcher::new(server).await;
    let mongo = MongoDb::new(&target("dropped", &server.url())).unwrap();
    let tasks = tokio::runtime::Handle::current().metrics();
    // Dropped at every step of the way, until one gets through.
    for limit in (0..60).map(|step| Duration::from_micros(100 * step * step)) {
        match tokio::time::timeout(limit, mongo.connect()).await {
            Err(_) => {}
            Ok(client) => {
                mongo.close(client.unwrap()).await.unwrap();
                break;
            }
        }
    }
    watcher.sees_none_of("dropped").await;
    drop(watcher);
    // The watcher's own are among those that go.
    eventually("no task of the driver", PATIENCE, async || tasks.num_alive_tasks() == 0).await;
}

#[tokio::test]
async fn a_frozen_server_is_noticed_and_a_killed_one_is_said_to_be_lost() {
    let server = Server::start_owned(System::MongoDb).await.unwrap();
    let mongo = MongoDb::new(&target("frozen", &server.url())).unwrap();
    let client = mongo.connect().await.unwrap();

    server.freeze().await.unwrap();
    let ping = tokio::time::timeout(Duration::from_millis(500), mongo.ping(&client)).await;
    assert!(ping.is_err(), "a frozen server can't answer");
    // The monitors notice after heartbeat and connect limit, 7.6 s, with no call from anybody.
    let error = within("the loss", Duration::from_secs(12), mongo.lost(&client)).await;
    assert_eq!(MongoDb::classify(&error).kind, ErrorKind::Timeout, "{error}");
    let start = Instant::now();
    let error = mongo.ping(&client).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert_eq!(class(&error), (ErrorKind::Connect, Outcome::NotApplied), "{error}");

    server.thaw().await.unwrap();
    eventually("the same client to work again", PATIENCE, async || {
        mongo.ping(&client).await.is_ok()
    })
    .await;

    let start = Instant::now();
    server.kill().await.unwrap();
    within("the loss", Duration::from_secs(3), mongo.lost(&client)).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    server.start_again().await.unwrap();
    eventually("the same client to work again", PATIENCE, async || {
        mongo.ping(&client).await.is_ok()
    })
    .await;

    server.freeze().await.unwrap();
    let start = Instant::now();
    // Whether the driver has a session to end, and so an answer to miss, is a matter of timing.
    let _ = mongo.close(client).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    server.thaw().await.unwrap();
    let watcher = Watcher::new(&server).await;
    watcher.sees_none_of("frozen").await;
    server.remove().await;
}

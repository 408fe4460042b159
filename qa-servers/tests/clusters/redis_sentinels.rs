//! Sentinels, over their protocol.

use std::time::Duration;

use qa_servers::cluster::RedisSentinels;
use qa_servers::proxy::FaultProxy;
use qa_servers::testing::{eventually, within};
use qa_servers::{Server, System};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::leftovers::Traces;
use crate::redis_client::redis;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_killed_master_is_replaced_and_comes_back_as_a_replica() {
    let cluster = RedisSentinels::start().await.unwrap();
    let old = cluster.leader().await.unwrap();
    assert_eq!(old.url(), cluster.urls()[0]);
    assert_eq!(redis(old, "SET flower tulip").await, "+OK");
    // Replication does not wait for the replicas: without this the kill could lose the write.
    assert_eq!(redis(old, "WAIT 2 10000").await, ":2");

    old.kill().await.unwrap();
    let new = within("another master", LIMIT, cluster.leader()).await.unwrap();
    assert_ne!(old.port(), new.port());
    assert_eq!(redis(new, "GET flower").await, "$5\ntulip");

    // A sentinel that comes back knows what it knew.
    let sentinel = &cluster.sentinels()[1];
    sentinel.kill().await.unwrap();
    sentinel.start_again().await.unwrap();
    old.start_again().await.unwrap();
    cluster.wait_ready(LIMIT).await.unwrap();
    assert!(redis(old, "SET flower rose").await.starts_with("-READONLY"));
    let last = within("a hand-over", LIMIT, cluster.hand_over()).await.unwrap();
    assert_ne!(last.port(), new.port());
    assert_eq!(redis(last, "SET flower rose").await, "+OK");
    let traces = Traces::of(cluster.nodes().iter().chain(cluster.sentinels())).await;
    cluster.remove().await;
    traces.are_gone().await;
}

#[tokio::test]
async fn one_that_is_alone_names_the_port_that_it_was_told_and_replaces_nobody() {
    let master = Server::start_owned(System::Redis).await.unwrap();
    let proxy = FaultProxy::open(master.port()).await;
    let sentinel = RedisSentinels::lone(&master, proxy.port()).await.unwrap();
    let name = RedisSentinels::NAME_OF_LONE;
    let ask = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {name}");
    let port = proxy.port().to_string();
    says(&sentinel, &ask, &port).await;
    master.kill().await.unwrap();
    says(&sentinel, &format!("SENTINEL CKQUORUM {name}"), "-NOQUORUM").await;
    says(&sentinel, &ask, &port).await;
}

/// Asks a sentinel, which knows no goodbye, until it says this.
async fn says(sentinel: &Server, question: &str, expected: &str) {
    let login = format!("AUTH {} {}", sentinel.user(), sentinel.password());
    eventually(expected, LIMIT, async || {
        let mut socket = TcpStream::connect((sentinel.host(), sentinel.port())).await.unwrap();
        socket.write_all(format!("{login}\r\n{question}\r\nPING\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("+PONG\r\n") {
            let mut some = [0; 1024];
            let read = socket.read(&mut some).await.unwrap();
            assert!(read > 0, "{answer}");
            answer += std::str::from_utf8(&some[..read]).unwrap();
        }
        answer.contains(expected)
    })
    .await;
}

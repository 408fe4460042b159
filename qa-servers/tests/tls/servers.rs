//! Real servers that speak TLS. That a client of their authority can log in is what a start waits
//! for, over TLS itself.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use mongodb::bson::doc;
use qa_servers::testing::{eventually, within};
use qa_servers::tls::Authority;
use qa_servers::{Error, Server, System};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{LIMIT, client, connect};
use crate::traces::{Trace, listens};

const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);

/// A question that a server without TLS answers before any login.
fn greeting(system: System) -> Vec<u8> {
    match system {
        System::MongoDb => {
            let body = doc! { "hello": 1, "$db": "admin" }.to_vec().unwrap();
            let length = i32::try_from(21 + body.len()).unwrap();
            let mut message: Vec<u8> =
                [length, 1, 0, 2013, 0].into_iter().flat_map(i32::to_le_bytes).collect();
            message.push(0);
            message.extend(body);
            message
        }
        System::RabbitMq => b"AMQP\x00\x00\x09\x01".to_vec(),
        System::ClickHouse => b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec(),
        System::Redis => b"PING\r\nQUIT\r\n".to_vec(),
    }
}

/// What a client without TLS hears: nothing, or an alert of TLS.
async fn heard_without_tls(system: System, port: u16) -> Vec<u8> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    socket.write_all(&greeting(system)).await.unwrap();
    let mut heard = Vec::new();
    // A server may end the connection by a reset.
    let _ = within("an end", LIMIT, socket.read_to_end(&mut heard)).await;
    heard
}

/// Reads what the server says of our certificate, which in TLS 1.3 comes after the handshake.
async fn verdict(port: u16, config: ClientConfig) -> io::Result<usize> {
    let mut stream = within("a handshake", LIMIT, connect(port, config)).await?;
    within("a verdict", LIMIT, stream.read(&mut [0])).await
}

async fn speaks_tls_over_kill_stop_and_freeze(system: System, scheme: &str) {
    let authority = Authority::new();
    let server = Server::start_tls(system, &authority).await.unwrap();
    let (url, port) = (server.url(), server.port());
    assert!(url.starts_with(scheme) && url.contains(&format!("127.0.0.1:{port}")), "{scheme}");
    within("a handshake", LIMIT, connect(port, client(&authority, None))).await.unwrap();
    let error = verdict(port, client(&Authority::new(), None)).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let heard = heard_without_tls(system, port).await;
    assert!(heard.first().is_none_or(|first| *first == 0x15), "{heard:?}");

    drop(authority);
    server.kill().await.unwrap();
    assert!(!listens(port), "{system} listens after a kill");
    server.start_again().await.unwrap();
    server.stop().await.unwrap();
    assert!(!listens(port), "{system} listens after a stop");
    server.start_again().await.unwrap();
    server.freeze().await.unwrap();
    let frozen = server.wait_ready(SHORT).await.unwrap_err();
    assert!(matches!(frozen, Error::NotReady { .. }), "{frozen:?}");
    server.thaw().await.unwrap();
    server.wait_ready(LONG).await.unwrap();

    assert_eq!((server.url(), server.port()), (url, port));
    let trace = Trace::of(&server).await;
    assert!(trace.is_there());
    server.remove().await;
    eventually("the server is gone", LONG, async || !trace.is_there() && !listens(port)).await;
}

#[tokio::test]
async fn mongodb_speaks_tls_over_kill_stop_and_freeze() {
    speaks_tls_over_kill_stop_and_freeze(System::MongoDb, "mongodb://").await;
}

#[tokio::test]
async fn rabbitmq_speaks_tls_over_kill_stop_and_freeze() {
    speaks_tls_over_kill_stop_and_freeze(System::RabbitMq, "amqps://").await;
}

#[tokio::test]
async fn clickhouse_speaks_tls_over_kill_stop_and_freeze() {
    speaks_tls_over_kill_stop_and_freeze(System::ClickHouse, "clickhouses://").await;
}

#[tokio::test]
async fn redis_speaks_tls_over_kill_stop_and_freeze() {
    speaks_tls_over_kill_stop_and_freeze(System::Redis, "rediss://").await;
}

async fn wants_a_certificate(system: System) {
    let authority = Authority::new();
    let server = Server::start_mutual_tls(system, &authority).await.unwrap();
    for shown in [None, Some(&Authority::new())] {
        let refusal = verdict(server.port(), client(&authority, shown)).await;
        assert!(refusal.is_err(), "{system} let a stranger in: {refusal:?}");
    }
    server.restart().await.unwrap(); // waits for a login with a certificate
}

#[tokio::test]
async fn a_mutual_mongodb_wants_a_certificate_of_its_authority() {
    wants_a_certificate(System::MongoDb).await;
}

#[tokio::test]
async fn a_mutual_rabbitmq_wants_a_certificate_of_its_authority() {
    wants_a_certificate(System::RabbitMq).await;
}

#[tokio::test]
async fn a_mutual_clickhouse_wants_a_certificate_of_its_authority() {
    wants_a_certificate(System::ClickHouse).await;
}

#[tokio::test]
async fn a_mutual_redis_wants_a_certificate_of_its_authority() {
    wants_a_certificate(System::Redis).await;
}

#[tokio::test]
async fn a_virtual_host_of_a_tls_rabbitmq_has_a_tls_url() {
    let authority = Authority::new();
    let server = Server::start_tls(System::RabbitMq, &authority).await.unwrap();
    let url = server.vhost("bars").await.unwrap();
    assert!(url.starts_with("amqps://") && url.ends_with("/bars"), "{url}");
}

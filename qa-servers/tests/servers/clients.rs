//! A value that is written to a server and read back, over the server's own protocol.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, WriteConcern};
use qa_servers::{Server, System};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(30);

/// Writes a value that the server confirms as durable.
pub(crate) async fn write(server: &Server, value: &str) {
    timeout(LIMIT, write_by_system(server, value)).await.unwrap();
}

/// Reads the value back and compares.
pub(crate) async fn assert_kept(server: &Server, value: &str) {
    let answer = timeout(LIMIT, read_by_system(server)).await.unwrap();
    assert!(answer.contains(value), "{}: {answer}", server.system());
}

async fn write_by_system(server: &Server, value: &str) {
    match server.system() {
        System::MongoDb => {
            let mut options = ClientOptions::parse(server.url()).await.unwrap();
            options.write_concern = Some(WriteConcern::builder().journal(true).build());
            let client = mongodb::Client::with_options(options).unwrap();
            let document = doc! { "_id": "kept", "value": value };
            client.database("test").collection("kept").insert_one(document).await.unwrap();
        }
        System::RabbitMq => {
            management(server, "PUT", "queues/%2F/kept", r#"{"durable":true}"#).await;
            let message = format!(
                r#"{{"properties":{{"delivery_mode":2}},"routing_key":"kept","payload":"{value}","payload_encoding":"string"}}"#
            );
            let path = "exchanges/%2F/amq.default/publish";
            let answer = management(server, "POST", path, &message).await;
            assert!(answer.contains(r#""routed":true"#), "{answer}");
        }
        System::ClickHouse => {
            query(server, "CREATE TABLE kept (value String) ENGINE = MergeTree ORDER BY value")
                .await;
            query(server, &format!("INSERT INTO kept VALUES ('{value}')")).await;
        }
        System::Redis => {
            let answer = redis(server, &format!("SET kept {value}")).await;
            assert!(answer.contains("+OK\r\n+OK\r\n"), "{answer}");
        }
    }
}

async fn read_by_system(server: &Server) -> String {
    match server.system() {
        System::MongoDb => {
            let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
            let kept = client.database("test").collection::<Document>("kept");
            format!("{:?}", kept.find_one(doc! { "_id": "kept" }).await.unwrap())
        }
        System::RabbitMq => {
            let get = r#"{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}"#;
            management(server, "POST", "queues/%2F/kept/get", get).await
        }
        System::ClickHouse => query(server, "SELECT value FROM kept").await,
        System::Redis => redis(server, "GET kept").await,
    }
}

/// What a Redis answers to a login, to one command and to a goodbye.
pub(crate) async fn redis(server: &Server, command: &str) -> String {
    let login = format!("AUTH {} {}", server.user(), server.password());
    exchange(server.port(), &format!("{login}\r\n{command}\r\nQUIT\r\n")).await
}

/// One query of ClickHouse.
pub(crate) async fn query(server: &Server, sql: &str) -> String {
    http(server, server.port(), "POST", "/", sql).await
}

/// One call of RabbitMQ's management plugin.
pub(crate) async fn management(server: &Server, method: &str, path: &str, body: &str) -> String {
    let port = server.management_port().unwrap();
    http(server, port, method, &format!("/api/{path}"), body).await
}

/// What its health check of this name answers: good or bad, with the reason.
pub(crate) async fn health_check(server: &Server, name: &str) -> String {
    let port = server.management_port().unwrap();
    answer(server, port, "GET", &format!("/api/health/checks/{name}"), "").await
}

async fn http(server: &Server, port: u16, method: &str, path: &str, body: &str) -> String {
    let answer = answer(server, port, method, path, body).await;
    assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    answer
}

async fn answer(server: &Server, port: u16, method: &str, path: &str, body: &str) -> String {
    let login = BASE64_STANDARD.encode(format!("{}:{}", server.user(), server.password()));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    exchange(port, &(head + body)).await
}

/// Sends a request and reads until the server closes the connection.
async fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

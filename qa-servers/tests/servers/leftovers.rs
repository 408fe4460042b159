//! Nothing stays behind, however a program ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use qa_servers::testing::eventually;
use qa_servers::{Server, System};

use crate::traces::{Trace, listens};

const LIMIT: Duration = Duration::from_secs(30);

/// A program of its own that holds a server, and the server's port.
fn program(system: System) -> (Child, u16) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_qa-server"))
        .arg(system.name())
        .env_remove(system.url_variable())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let after_host = url.split("127.0.0.1:").nth(1).unwrap();
    let port = after_host.split('/').next().unwrap().trim().parse().unwrap();
    (child, port)
}

async fn a_killed_program_leaves_nothing(system: System) {
    let (mut child, port) = tokio::task::spawn_blocking(move || program(system)).await.unwrap();
    let trace = Trace::watched_by_children_of(child.id()).unwrap();
    assert!(trace.is_there() && listens(port));
    child.kill().unwrap(); // signal 9
    child.wait().unwrap();
    eventually("its server is gone", LIMIT, async || !trace.is_there() && !listens(port)).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_mongodb() {
    a_killed_program_leaves_nothing(System::MongoDb).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_rabbitmq_and_no_epmd() {
    a_killed_program_leaves_nothing(System::RabbitMq).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_clickhouse() {
    a_killed_program_leaves_nothing(System::ClickHouse).await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_redis() {
    a_killed_program_leaves_nothing(System::Redis).await;
}

#[tokio::test]
async fn a_dropped_server_is_gone_at_once_even_when_frozen() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    let (trace, port) = (Trace::of(&server).await, server.port());
    server.freeze().await.unwrap();
    drop(server);
    assert!(!trace.is_there() && !listens(port), "{trace:?}");
}

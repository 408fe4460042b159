//! Every verb on each of the four systems.

use std::time::Duration;

use qa_servers::testing::eventually;
use qa_servers::{Error, Provider, Server, System};

use crate::clients::{assert_kept, health_check, management, write};
use crate::traces::{Trace, listens};

const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(30);

/// One start serves all the verbs: RabbitMQ's takes long.
async fn survives_everything(system: System) {
    let server = Server::start_owned(system).await.unwrap();
    let (url, port) = (server.url(), server.port());
    assert!(url.contains(&format!("127.0.0.1:{port}")) && listens(port));
    write(&server, "tulip").await;

    server.kill().await.unwrap();
    assert!(!listens(port), "{system} listens after a kill");
    let ended = server.wait_ready(LONG).await.unwrap_err();
    assert!(matches!(ended, Error::Start { .. }), "{ended:?}");
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    assert_kept(&server, "tulip").await;

    server.stop().await.unwrap();
    assert!(!listens(port), "{system} listens after a stop");
    server.start_again().await.unwrap();
    server.start_again().await.unwrap();
    assert_kept(&server, "tulip").await;

    server.freeze().await.unwrap();
    assert!(listens(port), "a frozen {system} must go on accepting");
    let frozen = server.wait_ready(SHORT).await.unwrap_err();
    assert!(matches!(frozen, Error::NotReady { .. }), "{frozen:?}");
    server.thaw().await.unwrap();
    server.wait_ready(LONG).await.unwrap();
    assert_kept(&server, "tulip").await;

    assert_eq!((server.url(), server.port()), (url, port));
    let trace = Trace::of(&server).await;
    assert!(trace.is_there());
    server.remove().await;
    eventually("the server is gone", LONG, async || !trace.is_there() && !listens(port)).await;
}

#[tokio::test]
async fn mongodb_keeps_port_and_data_over_kill_stop_and_freeze() {
    survives_everything(System::MongoDb).await;
}

#[tokio::test]
async fn rabbitmq_keeps_port_and_data_over_kill_stop_and_freeze() {
    survives_everything(System::RabbitMq).await;
}

#[tokio::test]
async fn clickhouse_keeps_port_and_data_over_kill_stop_and_freeze() {
    survives_everything(System::ClickHouse).await;
}

#[tokio::test]
async fn redis_keeps_port_and_data_over_kill_stop_and_freeze() {
    survives_everything(System::Redis).await;
}

/// The old one is refused and the new one let in, also after a kill and a stop.
async fn changes_its_password(system: System) {
    let mut server = Server::start_owned(system).await.unwrap();
    write(&server, "iris").await;
    let old = server.password().to_owned();
    let refused = server.change_password("no spaces").await.unwrap_err();
    assert!(matches!(refused, Error::Unsupported { .. }), "{refused:?}");
    assert_eq!(server.password(), old);

    server.change_password("rotated-1").await.unwrap();
    assert_eq!(server.password(), "rotated-1");
    assert_kept(&server, "iris").await;
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    assert_kept(&server, "iris").await;

    server.change_password(&old).await.unwrap();
    server.restart().await.unwrap();
    assert_kept(&server, "iris").await;
}

#[tokio::test]
async fn mongodb_changes_its_password() {
    changes_its_password(System::MongoDb).await;
}

#[tokio::test]
async fn rabbitmq_changes_its_password() {
    changes_its_password(System::RabbitMq).await;
}

#[tokio::test]
async fn clickhouse_changes_its_password() {
    changes_its_password(System::ClickHouse).await;
}

#[tokio::test]
async fn redis_changes_its_password() {
    changes_its_password(System::Redis).await;
}

#[tokio::test]
async fn a_virtual_host_is_apart_from_the_others_and_its_name_is_escaped() {
    let server = Server::start(System::RabbitMq).await.unwrap();
    let url = server.vhost("one/two").await.unwrap();
    assert!(url.ends_with("/one%2Ftwo"), "{url}");
    assert_eq!(server.vhost("one/two").await.unwrap(), url);
    management(&server, "PUT", "queues/one%2Ftwo/mine", r#"{"durable":true}"#).await;
    let there = management(&server, "GET", "queues/one%2Ftwo", "").await;
    let elsewhere = management(&server, "GET", "queues/%2F", "").await;
    assert!(there.contains(r#""name":"mine""#), "{there}");
    assert!(!elsewhere.contains(r#""name":"mine""#), "{elsewhere}");
}

/// Whether any node of the broker says that its memory is full. Asked of all, which is another
/// question than that by which the alarm's end is awaited; the nodes' figures say it too, but on a
/// busy machine more than half a minute late.
async fn is_short_of_memory(server: &Server) -> bool {
    health_check(server, "alarms").await.contains(r#""resource":"memory""#)
}

#[tokio::test]
async fn rabbitmq_raises_its_alarm_and_clears_it_and_forgets_it_over_a_kill() {
    let server = Server::start_owned(System::RabbitMq).await.unwrap();
    server.raise_alarm().await.unwrap();
    server.raise_alarm().await.unwrap();
    eventually("it is on", LONG, async || is_short_of_memory(&server).await).await;
    server.clear_alarm().await.unwrap();
    server.clear_alarm().await.unwrap();
    eventually("it is off", LONG, async || !is_short_of_memory(&server).await).await;
    server.raise_alarm().await.unwrap();
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    assert!(!is_short_of_memory(&server).await);
    let redis = Server::start_owned(System::Redis).await.unwrap();
    let error = redis.raise_alarm().await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stop_and_a_kill_work_on_a_frozen_server() {
    let server = Server::start_owned(System::Redis).await.unwrap();
    server.freeze().await.unwrap();
    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    server.freeze().await.unwrap();
    server.kill().await.unwrap();
    server.restart().await.unwrap();
}

#[tokio::test]
async fn no_thread_of_a_frozen_server_runs() {
    // It has dozens of threads, and the kernel stops each of them when that comes by.
    let server = Server::start_owned(System::MongoDb).await.unwrap();
    let Some(pid) = server.pid().await else {
        return assert_eq!(server.provider(), Provider::Container);
    };
    for _ in 0..200 {
        server.freeze().await.unwrap();
        let states = thread_states(pid);
        server.thaw().await.unwrap();
        assert!(!states.is_empty() && states.iter().all(|state| *state == 'T'), "{states:?}");
    }
}

/// The letter of proc(5) for each thread of a process.
fn thread_states(pid: u32) -> Vec<char> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let state = |stat: String| stat.rsplit_once(") ").unwrap().1.chars().next().unwrap();
    threads
        .map(|it| state(std::fs::read_to_string(it.unwrap().path().join("stat")).unwrap()))
        .collect()
}

#[test]
fn a_server_outlives_the_runtime_that_started_it() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let server = runtime().block_on(Server::start_owned(System::Redis)).unwrap();
    runtime().block_on(async {
        write(&server, "rose").await;
        server.restart().await.unwrap();
        assert_kept(&server, "rose").await;
        server.freeze().await.unwrap();
        server.thaw().await.unwrap();
    });
    let trace = runtime().block_on(Trace::of(&server));
    drop(server); // outside of any runtime
    assert!(!trace.is_there(), "{trace:?}");
}

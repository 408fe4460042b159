//! The backend's own life, on a real server.

mod common;

use common::{NOTICED, PATIENCE, backend, no_connection, resource, shared, target};
use qa_clickhouse::{ClickHouse, clickhouse, error_code};
use qa_resource_core::{Backend, ErrorKind, Outcome, Settings, State};
use qa_servers::testing::{Refused, Silent, connections, within};
use qa_servers::{Server, System};
use std::time::{Duration, Instant};

fn class(error: &clickhouse::error::Error) -> (ErrorKind, Outcome) {
    let class = ClickHouse::classify(error);
    (class.kind, class.outcome)
}

#[tokio::test]
async fn connects_pings_and_leaves_no_connection_behind() {
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    no_connection(server.port()).await;
    let clickhouse = backend(&server);
    let client = clickhouse.connect().await.unwrap();
    clickhouse.ping(&client).await.unwrap();
    assert!(connections(server.port()) > 0, "it is kept for the next query");
    clickhouse.close(client).await.unwrap();
    no_connection(server.port()).await;

    // Dropped at every step of the way, until one gets through.
    for limit in (0..60).map(|step| Duration::from_micros(50 * step * step)) {
        if tokio::time::timeout(limit, clickhouse.connect()).await.is_ok() {
            break;
        }
    }
    no_connection(server.port()).await;
    server.remove().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_before_the_server_closes_it() {
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    no_connection(server.port()).await;
    let url = format!("{}?keep_alive=2", server.url());
    let clickhouse = ClickHouse::new(&target("bars", &url)).unwrap();
    let client = clickhouse.connect().await.unwrap();
    let start = Instant::now();
    assert!(connections(server.port()) > 0);
    no_connection(server.port()).await;
    let idle = start.elapsed();
    assert!(idle > Duration::from_millis(900) && idle < Duration::from_secs(3), "{idle:?}");
    clickhouse.ping(&client).await.unwrap();
    server.remove().await;
}

#[tokio::test]
async fn a_wrong_password_is_an_auth_error_that_shows_nothing() {
    let server = shared().await;
    let url = server.url().replace(server.password(), "c4n4ry");
    let clickhouse = ClickHouse::new(&target("bars", &url)).unwrap();
    let error = clickhouse.connect().await.unwrap_err();
    assert_eq!(class(&error), (ErrorKind::Auth, Outcome::NotApplied), "{error}");
    assert_eq!(error_code(&error), Some(516));
    assert!(!format!("{error} {error:?} {clickhouse:?}").contains("c4n4ry"));
}

#[tokio::test]
async fn no_client_shows_its_password() {
    let server = shared().await;
    let client = backend(server).connect().await.unwrap();
    assert!(!format!("{client:?}").contains(server.password()));
}

#[tokio::test]
async fn the_url_s_database_and_settings_reach_the_server() {
    let server = shared().await;
    let client = backend(server).connect().await.unwrap();
    client.query("CREATE DATABASE IF NOT EXISTS other").execute().await.unwrap();
    let url = server.url().replace("/default", "/other") + "?max_threads=3&compression=none";
    let client = ClickHouse::new(&target("bars", &url)).unwrap().connect().await.unwrap();
    let query = "SELECT currentDatabase(), toString(getSetting('max_threads'))";
    let seen: (String, String) = client.query(query).fetch_one().await.unwrap();
    assert_eq!(seen, ("other".to_owned(), "3".to_owned()));

    let url = server.url().replace("/default", "/nowhere");
    let error = ClickHouse::new(&target("bars", &url)).unwrap().connect().await.unwrap_err();
    assert_eq!(error_code(&error), Some(81), "{error}");
    let url = server.url() + "?max_threads=many";
    let error = ClickHouse::new(&target("bars", &url)).unwrap().connect().await.unwrap_err();
    assert_eq!(ClickHouse::classify(&error).kind, ErrorKind::Operation, "{error}");
}

#[tokio::test]
async fn a_burst_does_not_have_the_server_work_on_all_of_it_at_once() {
    let burst = resource(shared().await, Settings::default()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let burst = burst.clone();
        tasks.spawn(async move {
            // Asked by its own words, which tell it from the queries of other tests.
            let ours = "SELECT count() FROM system.processes WHERE query LIKE '%burst%'";
            let query = format!("SELECT assumeNotNull(({ours})) + sleepEachRow(0.1)");
            let query = query.as_str();
            burst.run(async |lease| lease.query(query).fetch_one::<u64>().await).await.unwrap()
        });
    }
    let at_once = tasks.join_all().await.into_iter().max();
    // Those that are answered are on the server's list for a moment more.
    assert!(at_once.is_some_and(|most| most > 1 && most < 64), "{at_once:?}");
    assert!(burst.close(PATIENCE).await.is_clean());
}

#[tokio::test]
async fn what_the_server_refuses_is_the_operation_s_fault() {
    let client = backend(shared().await).connect().await.unwrap();
    for (query, code) in [("SELECT 1 FROM no_such_table", 60), ("SELEKT 1", 62)] {
        let error = client.query(query).execute().await.unwrap_err();
        assert_eq!(error_code(&error), Some(code), "{error}");
        assert_eq!(class(&error), (ErrorKind::Operation, Outcome::NotApplied), "{error}");
    }
    let slow = "SELECT sleepEachRow(0.5) FROM numbers(20) SETTINGS max_execution_time = 1, max_block_size = 1";
    let error = client.query(slow).execute().await.unwrap_err();
    assert_eq!(class(&error), (ErrorKind::Timeout, Outcome::Unknown), "{error}");
}

#[tokio::test]
async fn a_refused_port_is_a_connect_error() {
    let refused = Refused::new();
    let url = format!("clickhouse://u:p@127.0.0.1:{}", refused.port());
    let error = ClickHouse::new(&target("bars", &url)).unwrap().connect().await.unwrap_err();
    assert_eq!(class(&error), (ErrorKind::Connect, Outcome::NotApplied), "{error}");
}

#[tokio::test]
async fn a_server_that_stays_silent_is_hung_up_on() {
    let server = Silent::new();
    let url = format!("clickhouse://u:p@127.0.0.1:{}", server.port());
    let settings = Settings {
        connect_timeout: Duration::from_millis(300),
        connect_attempts: 1,
        ..Settings::default()
    };
    let backend = ClickHouse::new(&target("silent", &url)).unwrap();
    let silent = qa_resource_core::Resource::new("silent", backend, settings);
    let error = within("an error", Duration::from_secs(2), silent.connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    no_connection(server.port()).await;
}

#[tokio::test]
async fn comes_back_after_a_kill_and_after_a_freeze() {
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, Settings::default()).await;
    let one = async |lease: qa_resource_core::Lease<ClickHouse>| {
        lease.query("SELECT 1").fetch_one::<u8>().await
    };
    let mut watch = bars.watch();
    let start = Instant::now();
    server.kill().await.unwrap();
    assert!(within("the loss", NOTICED, watch.wait_for(State::Reconnecting)).await);
    assert!(start.elapsed() < Duration::from_secs(5), "noticed: {:?}", start.elapsed());
    server.start_again().await.unwrap();
    let up = Instant::now();
    assert!(within("it is back", PATIENCE, watch.wait_for(State::Ready)).await);
    assert!(up.elapsed() < Duration::from_secs(6), "cap + 1 s: {:?}", up.elapsed());
    assert_eq!(bars.run(one).await.unwrap(), 1);

    let start = Instant::now();
    server.freeze().await.unwrap();
    assert!(within("the loss", NOTICED, watch.wait_for(State::Reconnecting)).await);
    assert!(start.elapsed() < Duration::from_secs(5), "noticed: {:?}", start.elapsed());
    server.thaw().await.unwrap();
    let up = Instant::now();
    assert!(within("it is back", PATIENCE, watch.wait_for(State::Ready)).await);
    assert!(up.elapsed() < Duration::from_secs(6), "cap + 1 s: {:?}", up.elapsed());
    assert_eq!(bars.run(one).await.unwrap(), 1);

    let report = bars.close(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report}");
    no_connection(server.port()).await;
    server.remove().await;
}

//! The batcher on a real server: every row once, whatever happens to the server.

mod common;

use clickhouse::Row;
use common::{PATIENCE, execute, resource, shared};
use qa_clickhouse::{BatchOptions, Batcher, ClickHouse, clickhouse};
use qa_resource_core::{ErrorKind, Resource, Settings};
use qa_servers::testing::{connections, eventually, within};
use qa_servers::{Server, System};
use serde::Serialize;
use std::time::{Duration, Instant};

#[derive(Row, Serialize, Clone, Debug, PartialEq)]
struct Tick {
    n: u64,
    code: String,
    price: f64,
}

/// What a tick takes in memory.
const BYTES: usize = size_of::<Tick>() + "code0".len();

fn tick(n: u64) -> Tick {
    Tick { n, code: format!("code{}", n % 7), price: 1.5 }
}

/// A table that stores a batch once, however often it is inserted.
async fn table(bars: &Resource<ClickHouse>, name: &str) {
    execute(bars, &format!("DROP TABLE IF EXISTS {name} SYNC")).await;
    let columns = "n UInt64, code LowCardinality(String), price Float64";
    let settings = "SETTINGS non_replicated_deduplication_window = 1000";
    execute(
        bars,
        &format!("CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY n {settings}"),
    )
    .await;
}

/// Rows, distinct rows, and how many inserts stored them.
async fn counts(bars: &Resource<ClickHouse>, table: &str) -> (u64, u64, u64) {
    let sql = format!("SELECT count(), uniqExact(n), uniqExact(_part) FROM {table}");
    let sql = sql.as_str();
    bars.run(|lease| async move { lease.query(sql).fetch_one().await }).await.unwrap()
}

fn quick() -> Settings {
    Settings { operation_timeout: Duration::from_secs(3), ..Settings::default() }
}

#[tokio::test]
async fn a_batch_is_stored_when_it_is_full_and_when_it_is_old() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "full_or_old").await;
    execute(&bars, "SYSTEM STOP MERGES full_or_old").await;
    let max_age = Duration::from_secs(2);
    let options = BatchOptions { max_rows: 100, max_age, ..BatchOptions::default() };
    let batcher = Batcher::new(&bars, "full_or_old", options);
    let start = Instant::now();
    for n in 0..250 {
        batcher.push(tick(n)).await.unwrap();
    }
    eventually("two full batches", PATIENCE, async || batcher.stored() == 200).await;
    assert!(start.elapsed() < max_age, "not by age: {:?}", start.elapsed());
    assert_eq!(batcher.pending(), 50);
    eventually("the rest", PATIENCE, async || batcher.stored() == 250).await;
    assert!(start.elapsed() >= max_age, "the rest is not full: {:?}", start.elapsed());
    assert_eq!(counts(&bars, "full_or_old").await, (250, 250, 3));

    batcher.push(tick(250)).await.unwrap();
    batcher.flush().await.unwrap();
    assert_eq!(batcher.stored(), 251);
    batcher.flush().await.unwrap();
    let report = batcher.close(Duration::from_secs(5)).await;
    assert!(report.is_clean() && report.stored == 251 && report.cause.is_none(), "{report:?}");
    let refused = batcher.push(tick(251)).await.unwrap_err();
    assert_eq!((refused.row, refused.error.kind()), (Some(tick(251)), ErrorKind::Closed));
}

#[tokio::test]
async fn every_row_is_stored_once_although_the_server_is_killed_twice() {
    const ROWS: u64 = 20_000;
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, quick()).await;
    table(&bars, "killed").await;
    let max_age = Duration::from_millis(100);
    let options =
        BatchOptions { max_rows: 500, max_age, capacity: 2000 * BYTES, ..BatchOptions::default() };
    let batcher = Batcher::new(&bars, "killed", options);
    let pusher = async {
        for n in 0..ROWS {
            batcher.push(tick(n)).await.unwrap();
        }
    };
    let killer = async {
        for stored in [4000, 12_000] {
            eventually("the middle", PATIENCE, async || batcher.stored() >= stored).await;
            server.kill().await.unwrap();
            server.start_again().await.unwrap();
        }
    };
    let both = Box::pin(async { tokio::join!(pusher, killer) });
    within("both to end", Duration::from_secs(90), both).await;
    let report = batcher.close(Duration::from_secs(30)).await;
    assert!(report.is_clean() && report.stored == ROWS, "{report:?}");
    let (rows, distinct, _) = counts(&bars, "killed").await;
    assert_eq!((rows, distinct), (ROWS, ROWS));
    bars.close(Duration::from_secs(5)).await;
    server.remove().await;
}

#[tokio::test]
async fn a_frozen_server_holds_pushes_back_and_gets_every_row_once() {
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, quick()).await;
    table(&bars, "frozen").await;
    let max_age = Duration::from_millis(50);
    let options =
        BatchOptions { max_rows: 100, max_age, capacity: 300 * BYTES, ..BatchOptions::default() };
    let batcher = Batcher::new(&bars, "frozen", options);
    batcher.push(tick(0)).await.unwrap();
    batcher.flush().await.unwrap();

    server.freeze().await.unwrap();
    for n in 1..=300 {
        within("a push", PATIENCE, batcher.push(tick(n))).await.unwrap();
    }
    // Memory is bounded: there is no place for another row, and the dropped push took none.
    let waiting = batcher.push(tick(301));
    assert!(tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err());
    assert_eq!(batcher.pending(), 300);
    // Long enough for the attempt under way to be given up, its outcome unknown.
    let flush = tokio::time::timeout(Duration::from_secs(4), batcher.flush()).await;
    assert!(flush.is_err(), "a frozen server stores nothing");

    server.thaw().await.unwrap();
    within("a push", PATIENCE, batcher.push(tick(301))).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    let (rows, distinct, _) = counts(&bars, "frozen").await;
    assert_eq!((rows, distinct), (302, 302));
    bars.close(Duration::from_secs(5)).await;
    server.remove().await;
}

#[tokio::test]
async fn a_close_in_an_outage_ends_in_time_and_hands_the_rows_back_in_order() {
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, quick()).await;
    table(&bars, "outage").await;
    let options = BatchOptions { max_rows: 100, ..BatchOptions::default() };
    let batcher = Batcher::new(&bars, "outage", options);
    server.freeze().await.unwrap();
    for n in 0..250 {
        batcher.push(tick(n)).await.unwrap();
    }
    eventually("an insert to be under way", PATIENCE, async || connections(server.port()) > 0)
        .await;
    let start = Instant::now();
    let report = batcher.close(Duration::from_millis(500)).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(report.rows, (0..250).map(tick).collect::<Vec<_>>());
    assert_eq!((report.stored, report.unknown), (0, 100));
    let cause = report.cause.unwrap();
    assert_eq!(cause.kind(), ErrorKind::Timeout, "{cause}");
    assert_eq!(batcher.pending(), 0);
    let again = batcher.close(Duration::from_millis(500)).await;
    assert!(again.is_clean() && again.cause.is_none(), "{again:?}");
    server.thaw().await.unwrap();
    server.remove().await;
}

#[tokio::test]
async fn a_missing_table_halts_and_a_flush_after_it_is_made_goes_on() {
    let bars = resource(shared().await, Settings::default()).await;
    execute(&bars, "DROP TABLE IF EXISTS missing SYNC").await;
    let options = BatchOptions { max_rows: 10, ..BatchOptions::default() };
    let batcher = Batcher::new(&bars, "missing", options);
    for n in 0..5 {
        batcher.push(tick(n)).await.unwrap();
    }
    let error = within("a flush", PATIENCE, batcher.flush()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert!(error.message().contains("Code: 60"), "the server's words: {error}");
    let refused = batcher.push(tick(5)).await.unwrap_err();
    assert_eq!((refused.row, refused.error.kind()), (Some(tick(5)), ErrorKind::Operation));
    // It must not spin: nothing is tried until somebody asks for it.
    let errors = || bars.status().stats.errors;
    let before = errors();
    let tried = eventually("another try", PATIENCE, async || errors() > before);
    assert!(tokio::time::timeout(Duration::from_millis(500), tried).await.is_err());

    table(&bars, "missing").await;
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    batcher.push(tick(5)).await.unwrap();
    let report = batcher.close(Duration::from_secs(5)).await;
    assert!(report.is_clean() && report.stored == 6, "{report:?}");
    assert_eq!(counts(&bars, "missing").await.0, 6);
}

#[tokio::test]
async fn rows_that_do_not_fit_their_table_are_handed_back_and_a_waiting_push_too() {
    let bars = resource(shared().await, Settings::default()).await;
    execute(&bars, "CREATE OR REPLACE TABLE narrow (n UInt64) ENGINE = MergeTree ORDER BY n").await;
    let max_age = Duration::from_millis(300);
    let options =
        BatchOptions { max_rows: 10, max_age, capacity: 10 * BYTES, ..BatchOptions::default() };
    let batcher = Batcher::new(&bars, "narrow", options);
    for n in 0..9 {
        batcher.push(tick(n)).await.unwrap();
    }
    let (last, waiting) = tokio::join!(batcher.push(tick(9)), batcher.push(tick(10)));
    last.unwrap();
    let refused = waiting.unwrap_err();
    assert_eq!(refused.row, Some(tick(10)));
    let report = batcher.close(Duration::from_secs(5)).await;
    assert_eq!(report.rows, (0..10).map(tick).collect::<Vec<_>>());
    assert_eq!((report.stored, report.unknown), (0, 0), "nothing of it was ever sent");
    assert_eq!(report.cause.unwrap().kind(), ErrorKind::Operation);
}

#[tokio::test]
async fn a_closing_resource_flushes_it_and_says_what_it_could_not() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "closing").await;
    execute(&bars, "DROP TABLE IF EXISTS nowhere SYNC").await;
    let slow = BatchOptions { max_age: Duration::from_secs(60), ..BatchOptions::default() };
    let (good, bad) = (Batcher::new(&bars, "closing", slow), Batcher::new(&bars, "nowhere", slow));
    for n in 0..100 {
        good.push(tick(n)).await.unwrap();
        bad.push(tick(n)).await.unwrap();
    }
    let report = bars.close(Duration::from_secs(5)).await;
    assert_eq!(good.stored(), 100);
    let text = report.to_string();
    assert!(text.contains("batcher of nowhere") && text.contains("100 rows"), "{text}");
    assert!(!text.contains("batcher of closing"), "{text}");
    assert_eq!(good.push(tick(100)).await.unwrap_err().error.kind(), ErrorKind::Closed);
    let left = bad.close(Duration::from_secs(1)).await;
    assert_eq!(left.rows.len(), 100);
}

#[tokio::test]
async fn a_dropped_batcher_ends_its_task() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "dropped").await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let batcher = Batcher::new(&bars, "dropped", BatchOptions::default());
    assert_eq!(metrics.num_alive_tasks(), before + 1);
    batcher.push(tick(0)).await.unwrap();
    drop(batcher);
    eventually("its task to end", PATIENCE, async || metrics.num_alive_tasks() <= before).await;
}

#[tokio::test]
async fn what_a_dropped_batcher_holds_is_stored_and_a_close_waits_for_that() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "left_behind").await;
    let slow = BatchOptions { max_age: Duration::from_secs(60), ..BatchOptions::default() };
    let batcher = Batcher::new(&bars, "left_behind", slow);
    batcher.push_all((0..1_000).map(tick)).await.unwrap();
    drop(batcher);
    let report = bars.close(Duration::from_secs(20)).await;
    assert!(report.is_clean(), "{report}");
    let again = resource(shared().await, Settings::default()).await;
    let (rows, distinct, _) = counts(&again, "left_behind").await;
    assert_eq!((rows, distinct), (1_000, 1_000));
    again.close(Duration::from_secs(5)).await;
}

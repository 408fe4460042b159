//! A batch that is sent while the one before it is stored.

mod common;

use clickhouse::Row;
use common::{PATIENCE, execute, resource, shared};
use qa_clickhouse::{BatchOptions, Batcher, ClickHouse, clickhouse};
use qa_resource_core::{Resource, Settings};
use qa_servers::testing::{eventually, within};
use serde::Serialize;
use std::time::Duration;

/// A batch of ten has to be worth it to be sent ahead.
const TEXT: usize = 100_000;

#[derive(Row, Serialize)]
struct Line {
    n: u64,
    text: String,
}

fn lines(numbers: std::ops::Range<u64>) -> Vec<Line> {
    numbers.map(|n| Line { n, text: "x".repeat(TEXT) }).collect()
}

async fn numbers(bars: &Resource<ClickHouse>, sql: &str) -> Vec<u64> {
    bars.run(|lease| async move { lease.query(sql).fetch_all().await }).await.unwrap()
}

/// A batcher of batches of ten, of which the first is stored, on a table that takes so many seconds for a row
/// once the server has all rows of a batch.
async fn slow(bars: &Resource<ClickHouse>, table: &str, seconds: f64) -> Batcher<Line> {
    execute(bars, &format!("DROP TABLE IF EXISTS {table} SYNC")).await;
    let slow = format!("CONSTRAINT slow CHECK sleepEachRow({seconds}) = 0");
    let engine = "ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100";
    execute(bars, &format!("CREATE TABLE {table} (n UInt64, text String, {slow}) {engine}")).await;
    execute(bars, &format!("SYSTEM STOP MERGES {table}")).await;
    let options = BatchOptions { max_rows: 10, ..BatchOptions::default() };
    let batcher = Batcher::new(bars, table, options);
    batcher.push_all(lines(0..10)).await.unwrap();
    within("the first batch", PATIENCE, batcher.flush()).await.unwrap();
    batcher
}

/// How many inserts into the table the server has.
async fn under_way(bars: &Resource<ClickHouse>, table: &str) -> u64 {
    let like = format!("query LIKE 'INSERT%{table}%'");
    numbers(bars, &format!("SELECT count() FROM system.processes WHERE {like}")).await[0]
}

#[tokio::test]
async fn the_next_batch_is_on_its_way_while_one_is_stored_and_is_stored_after_it() {
    let bars = resource(shared().await, Settings::default()).await;
    let batcher = slow(&bars, "in_turn", 0.05).await;
    batcher.push_all(lines(10..60)).await.unwrap();
    eventually("two at once", PATIENCE, async || under_way(&bars, "in_turn").await == 2).await;
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    // The second number of a part's name counts the inserts in the order in which they were stored.
    let parts =
        "SELECT min(n) FROM in_turn GROUP BY _part ORDER BY toUInt64(splitByChar('_', _part)[2])";
    assert_eq!(numbers(&bars, parts).await, [0, 10, 20, 30, 40, 50]);
    assert_eq!(
        numbers(&bars, "SELECT n FROM in_turn ORDER BY n").await,
        (0..60).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn what_was_sent_ahead_is_handed_back_in_order_and_never_stored() {
    let bars = resource(shared().await, Settings::default()).await;
    let batcher = slow(&bars, "cut_off", 0.2).await;
    batcher.push_all(lines(10..45)).await.unwrap();
    let two = async || under_way(&bars, "cut_off").await == 2;
    eventually("two at once", PATIENCE, two).await;
    let report = batcher.close(Duration::from_millis(1)).await;
    assert_eq!((report.stored, report.unknown), (10, 10), "{report}");
    let rows: Vec<_> = report.rows.iter().map(|row| row.n).collect();
    assert_eq!(rows, (10..45).collect::<Vec<_>>());
    let none = async || under_way(&bars, "cut_off").await == 0;
    eventually("the server to be done", PATIENCE, none).await;
    let stored = numbers(&bars, "SELECT n FROM cut_off WHERE n >= 20").await;
    assert!(stored.is_empty(), "only what was under way may be stored: {stored:?}");
}

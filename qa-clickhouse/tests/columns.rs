//! Record batches in a batcher, on a real server: every row once, whatever happens.
#![cfg(feature = "arrow")]

mod common;

use common::{PATIENCE, execute, resource, shared};
use qa_clickhouse::arrow::arrow_array::types::Int32Type;
use qa_clickhouse::arrow::arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, RecordBatch, UInt64Array,
};
use qa_clickhouse::{
    BatchOptions, BatchReport, Batcher, ClickHouse, InsertMode, SpillOptions, clickhouse,
};
use qa_resource_core::{ErrorKind, Resource, Settings};
use qa_servers::testing::{eventually, within};
use qa_servers::{Server, System};
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a row takes in memory.
const BYTES: usize = size_of::<u64>() + size_of::<f64>();

/// Rows of these numbers, of which some have a price that the table's constraint refuses.
fn batch_with(numbers: Range<u64>, poison: &[u64]) -> RecordBatch {
    let price = |n| if poison.contains(&n) { -1.0 } else { 1.5 };
    let prices: ArrayRef = Arc::new(Float64Array::from_iter_values(numbers.clone().map(price)));
    let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(numbers));
    RecordBatch::try_from_iter([("n", numbers), ("price", prices)]).unwrap()
}

fn batch(numbers: Range<u64>) -> RecordBatch {
    batch_with(numbers, &[])
}

/// The numbers of the rows, in order.
fn numbers(batches: &[RecordBatch]) -> Vec<u64> {
    let of = |batch: &RecordBatch| {
        let column = batch.column_by_name("n").unwrap();
        column.as_any().downcast_ref::<UInt64Array>().unwrap().values().to_vec()
    };
    batches.iter().flat_map(of).collect()
}

async fn table(bars: &Resource<ClickHouse>, name: &str) {
    execute(bars, &format!("DROP TABLE IF EXISTS {name} SYNC")).await;
    let columns = "n UInt64, price Float64, more String DEFAULT 'none', CONSTRAINT is_positive CHECK price > 0";
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

/// Only a full batch or a flush stores anything.
fn patient() -> BatchOptions {
    BatchOptions { max_age: Duration::from_secs(600), ..BatchOptions::default() }
}

async fn start(
    bars: &Resource<ClickHouse>,
    table: &str,
    options: BatchOptions,
) -> Batcher<RecordBatch> {
    Batcher::columns(bars, table).options(options).start().await.unwrap()
}

fn clean(report: &BatchReport<RecordBatch>, stored: u64) {
    assert!(report.is_clean() && report.stored == stored && report.left == 0, "{report}");
}

#[tokio::test]
async fn small_ones_wait_for_each_other_and_large_ones_are_cut_by_rows_and_bytes() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "columns_cut").await;
    execute(&bars, "SYSTEM STOP MERGES columns_cut").await;
    let batcher = start(&bars, "columns_cut", BatchOptions { max_rows: 1000, ..patient() }).await;
    for n in 0..300 {
        batcher.push(batch(n..n + 1)).await.unwrap();
    }
    batcher.push(batch(300..300)).await.unwrap();
    assert_eq!((batcher.pending(), batcher.stored()), (300, 0));
    // 700 would fit beside them; what is pushed in one piece stays in one, as long as it fits alone.
    batcher.push(batch(300..1200)).await.unwrap();
    eventually("the small ones", PATIENCE, async || batcher.stored() == 300).await;
    batcher.push(batch(1200..5250)).await.unwrap();
    eventually("all that is full", PATIENCE, async || batcher.stored() == 5200).await;
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    assert_eq!(counts(&bars, "columns_cut").await, (5250, 5250, 7));
    clean(&batcher.close(PATIENCE).await, 5250);

    table(&bars, "columns_cut").await;
    execute(&bars, "SYSTEM STOP MERGES columns_cut").await;
    let by_bytes = BatchOptions { max_bytes: 100 * BYTES, ..patient() };
    let batcher = start(&bars, "columns_cut", by_bytes).await;
    // A slice takes what its own rows take.
    batcher.push(batch(0..1_000_000).slice(500, 1000)).await.unwrap();
    eventually("ten inserts", PATIENCE, async || batcher.stored() == 1000).await;
    assert_eq!(counts(&bars, "columns_cut").await, (1000, 1000, 10));
    clean(&batcher.close(PATIENCE).await, 1000);
}

#[tokio::test]
async fn every_row_of_a_record_batch_is_stored_once_although_the_server_is_killed_twice() {
    const ROWS: u64 = 60_000;
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, quick()).await;
    table(&bars, "columns_killed").await;
    let options = BatchOptions {
        max_rows: 500,
        max_age: Duration::from_millis(100),
        capacity: 2000 * BYTES,
        ..BatchOptions::default()
    };
    let batcher = start(&bars, "columns_killed", options).await;
    let pusher = async {
        let mut n = 0;
        // Smaller and larger than an insert by turns.
        for size in [1, 37, 450, 1234].into_iter().cycle() {
            let next = (n + size).min(ROWS);
            batcher.push(batch(n..next)).await.unwrap();
            n = next;
            if n == ROWS {
                return;
            }
        }
    };
    let killer = async {
        for stored in [10_000, 35_000] {
            eventually("the middle", 3 * PATIENCE, async || batcher.stored() >= stored).await;
            server.kill().await.unwrap();
            server.start_again().await.unwrap();
        }
    };
    let both = Box::pin(async { tokio::join!(pusher, killer) });
    within("both to end", 6 * PATIENCE, both).await;
    clean(&batcher.close(2 * PATIENCE).await, ROWS);
    let (rows, distinct, _) = counts(&bars, "columns_killed").await;
    assert_eq!((rows, distinct), (ROWS, ROWS));
    bars.close(Duration::from_secs(5)).await;
    server.remove().await;
}

#[tokio::test]
async fn a_frozen_server_holds_pushes_back_by_bytes_and_what_is_left_comes_back_in_order() {
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, quick()).await;
    table(&bars, "columns_frozen").await;
    let options = BatchOptions { max_rows: 100, capacity: 300 * BYTES, ..patient() };
    let batcher = start(&bars, "columns_frozen", options).await;
    batcher.push(batch(0..150)).await.unwrap();
    eventually("a full one", PATIENCE, async || batcher.stored() == 100).await;
    server.freeze().await.unwrap();
    // 50 are held; 250 more have room, and of the next ones some.
    within("a push", PATIENCE, batcher.push(batch(150..400))).await.unwrap();
    let waiting = batcher.push(batch(400..1000));
    assert!(tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err());
    assert_eq!(batcher.pending(), 300);
    let report = batcher.close(Duration::from_millis(500)).await;
    assert_eq!(numbers(&report.rows), (100..400).collect::<Vec<_>>(), "{report}");
    assert_eq!((report.stored, report.left, report.spilled), (100, 300, 0));
    assert_eq!(report.unknown, 50, "the batch under way: {report}");
    assert_eq!(report.cause.unwrap().kind(), ErrorKind::Timeout);
    server.thaw().await.unwrap();
    server.remove().await;
}

#[tokio::test]
async fn poison_rows_of_a_record_batch_go_to_the_dead_letters_and_cost_nothing_else() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "columns_poisoned").await;
    let dead = Arc::new(Mutex::new(Vec::new()));
    let letters = Arc::clone(&dead);
    let batcher = Batcher::columns(&bars, "columns_poisoned")
        .options(patient())
        .dead_letters(move |row: &RecordBatch, error| {
            letters.lock().unwrap().push((row.clone(), error.message().to_owned()));
            async { Ok::<_, io::Error>(()) }
        })
        .start()
        .await
        .unwrap();
    let poison = [3, 500, 999];
    for n in (0..1000).step_by(300) {
        batcher.push(batch_with(n..(n + 300).min(1000), &poison)).await.unwrap();
    }
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    assert_eq!((batcher.stored(), batcher.refused(), batcher.pending()), (997, 3, 0));
    assert_eq!(counts(&bars, "columns_poisoned").await.1, 997);
    let dead = std::mem::take(&mut *dead.lock().unwrap());
    let (rows, words): (Vec<_>, Vec<_>) = dead.into_iter().unzip();
    assert_eq!(numbers(&rows), poison);
    assert!(rows.iter().all(|row| row.num_rows() == 1));
    assert!(words.iter().all(|words| words.contains("is_positive")), "{words:?}");
    let report = batcher.close(PATIENCE).await;
    assert!(report.is_clean() && report.refused == 3, "{report}");
}

#[tokio::test]
async fn a_halt_in_the_middle_of_a_batch_hands_the_rest_back() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "columns_halted").await;
    let options = BatchOptions { max_rows: 100, capacity: 300 * BYTES, ..patient() };
    let batcher = start(&bars, "columns_halted", options).await;
    let poisoned = batch_with(0..1000, &[150]);
    let refused = within("a refusal", PATIENCE, batcher.push(poisoned)).await.unwrap_err();
    assert!(refused.error.message().contains("is_positive"), "{}", refused.error);
    let rest = numbers(&[refused.row.unwrap()]);
    let report = batcher.close(PATIENCE).await;
    assert_eq!((report.stored, report.left), (100, 300), "{report}");
    let taken = numbers(&report.rows);
    assert_eq!([taken, rest].concat(), (100..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn other_columns_begin_another_insert_and_one_that_the_table_has_not_is_named() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "columns_other").await;
    execute(&bars, "SYSTEM STOP MERGES columns_other").await;
    let batcher = start(&bars, "columns_other", patient()).await;
    let narrow = |numbers: Range<u64>| {
        let ones: ArrayRef = Arc::new(Float64Array::from(vec![1.0; numbers.clone().count()]));
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(numbers));
        // By name, and not by place.
        RecordBatch::try_from_iter([("price", ones), ("n", numbers)]).unwrap()
    };
    batcher.push_all([batch(0..10), batch(10..20), narrow(20..30), narrow(30..40)]).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    assert_eq!(counts(&bars, "columns_other").await, (40, 40, 2));

    let prices: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    let unknown: ArrayRef = Arc::new(UInt64Array::from(vec![1, 2]));
    let unknown = RecordBatch::try_from_iter([("nnn", unknown), ("price", prices)]).unwrap();
    batcher.push(unknown).await.unwrap();
    let error = within("a flush", PATIENCE, batcher.flush()).await.unwrap_err();
    assert!(error.message().contains("nnn"), "{error}");
    execute(&bars, "ALTER TABLE columns_other ADD COLUMN nnn UInt64").await;
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    clean(&batcher.close(PATIENCE).await, 42);
}

#[tokio::test]
async fn batches_with_dictionaries_of_their_own_go_into_one_insert_whole_and_in_slices() {
    let bars = resource(shared().await, Settings::default()).await;
    execute(&bars, "CREATE OR REPLACE TABLE columns_coded (n UInt64, code LowCardinality(String)) ENGINE = MergeTree ORDER BY n").await;
    let coded = |numbers: Range<u64>| {
        let codes: Vec<_> = numbers.clone().map(|n| format!("code{n}")).collect();
        let codes = codes.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>();
        let codes: ArrayRef = Arc::new(codes);
        let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(numbers));
        RecordBatch::try_from_iter([("n", numbers), ("code", codes)]).unwrap()
    };
    let batcher = start(&bars, "columns_coded", BatchOptions { max_rows: 40, ..patient() }).await;
    batcher.push_all([coded(0..10), coded(10..20), coded(20..100)]).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    clean(&batcher.close(PATIENCE).await, 100);
    let sql = "SELECT count(), countIf(code = concat('code', toString(n))) FROM columns_coded";
    let right = bars.run(|lease| async move { lease.query(sql).fetch_one::<(u64, u64)>().await });
    assert_eq!(right.await.unwrap(), (100, 100));
}

#[tokio::test]
async fn what_the_disk_has_is_stored_by_the_next_one_and_once() {
    #[derive(clickhouse::Row, Serialize, Deserialize)]
    struct Price {
        n: u64,
        price: f64,
    }
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, quick()).await;
    table(&bars, "columns_spilled").await;
    let options = BatchOptions { max_rows: 100, capacity: 300 * BYTES, ..patient() };
    let builder = || {
        let spill = SpillOptions::new(home.path().join("spill"));
        Batcher::columns(&bars, "columns_spilled").options(options).spill_columns(spill)
    };
    let batcher = builder().start().await.unwrap();
    server.freeze().await.unwrap();
    // Far more than the memory holds: it waits on the disk.
    within("a push", PATIENCE, batcher.push(batch(0..2050))).await.unwrap();
    let report = batcher.close(Duration::from_millis(500)).await;
    assert_eq!((report.left, report.spilled, report.stored), (0, 2050, 0), "{report}");
    drop(batcher);
    server.thaw().await.unwrap();

    let wrong = SpillOptions::new(home.path().join("spill"));
    let wrong = Batcher::<Price>::builder(&bars, "columns_spilled").spill(wrong).start().await;
    let error = wrong.unwrap_err();
    assert!(error.message().contains("record batches"), "{error}");

    let batcher = builder().start().await.unwrap();
    assert_eq!(batcher.pending(), 2050);
    batcher.push(batch(2050..2075)).await.unwrap();
    within("a flush", 2 * PATIENCE, batcher.flush()).await.unwrap();
    clean(&batcher.close(PATIENCE).await, 2075);
    let (rows, distinct, _) = counts(&bars, "columns_spilled").await;
    assert_eq!((rows, distinct), (2075, 2075));
    server.remove().await;
}

#[tokio::test]
async fn record_batches_may_go_through_the_server_s_own_buffer() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "columns_buffered").await;
    let options = BatchOptions { mode: InsertMode::Async, ..patient() };
    let batcher = start(&bars, "columns_buffered", options).await;
    batcher.push(batch(0..10)).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    assert_eq!(counts(&bars, "columns_buffered").await.0, 10);
    clean(&batcher.close(PATIENCE).await, 10);
}

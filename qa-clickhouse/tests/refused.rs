//! The batcher and a server that does not take what it is given: rows, tables, memory.

mod common;

use clickhouse::Row;
use common::{PATIENCE, execute, resource, shared};
use qa_clickhouse::{BatchMemory, BatchOptions, Batcher, ClickHouse, InsertMode, clickhouse};
use qa_resource_core::{ErrorKind, Resource, Settings};
use qa_servers::testing::{eventually, within};
use serde::Serialize;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Row, Serialize, Clone, Debug, PartialEq)]
struct Price {
    n: u64,
    price: f64,
}

fn price(n: u64) -> Price {
    Price { n, price: 1.5 }
}

/// What the table's constraint refuses.
fn poison(n: u64) -> Price {
    Price { n, price: -1.0 }
}

async fn table(bars: &Resource<ClickHouse>, name: &str, more: &str) {
    execute(bars, &format!("DROP TABLE IF EXISTS {name} SYNC")).await;
    let columns = "n UInt64, price Float64, CONSTRAINT is_positive CHECK price > 0";
    let settings = "SETTINGS non_replicated_deduplication_window = 1000";
    let engine = format!("ENGINE = MergeTree ORDER BY n {more} {settings}");
    execute(bars, &format!("CREATE TABLE {name} ({columns}) {engine}")).await;
}

async fn numbers(bars: &Resource<ClickHouse>, table: &str) -> Vec<u64> {
    let sql = format!("SELECT n FROM {table} ORDER BY n");
    let sql = sql.as_str();
    bars.run(|lease| async move { lease.query(sql).fetch_all().await }).await.unwrap()
}

/// Only a flush stores anything.
fn patient() -> BatchOptions {
    BatchOptions { max_age: Duration::from_secs(600), ..BatchOptions::default() }
}

#[tokio::test]
async fn poison_rows_go_to_the_dead_letters_with_the_server_s_words_and_the_others_are_stored() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "poisoned", "").await;
    let dead = Arc::new(Mutex::new(Vec::new()));
    let letters = Arc::clone(&dead);
    let batcher = Batcher::<Price>::builder(&bars, "poisoned")
        .options(patient())
        .dead_letters(move |row: &Price, error| {
            letters.lock().unwrap().push((row.clone(), error.message().to_owned()));
            async { Ok::<_, io::Error>(()) }
        })
        .start()
        .await
        .unwrap();
    for n in 0..1000 {
        batcher.push(if [3, 500, 999].contains(&n) { poison(n) } else { price(n) }).await.unwrap();
    }
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    assert_eq!((batcher.stored(), batcher.refused(), batcher.pending()), (997, 3, 0));
    let expected: Vec<_> = (0..1000).filter(|n| ![3, 500, 999].contains(n)).collect();
    assert_eq!(numbers(&bars, "poisoned").await, expected);
    let dead = std::mem::take(&mut *dead.lock().unwrap());
    let rows: Vec<_> = dead.iter().map(|(row, _)| row.clone()).collect();
    assert_eq!(rows, [3, 500, 999].map(poison));
    for (_, words) in &dead {
        assert!(words.contains("Code: 469") && words.contains("is_positive"), "{words}");
    }
    let report = batcher.close(PATIENCE).await;
    assert!(report.is_clean() && report.refused == 3, "{report}");
}

#[tokio::test]
async fn dead_letters_that_take_nothing_or_a_table_that_fits_no_row_halt_it_and_keep_the_rows() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "undelivered", "").await;
    let batcher = Batcher::<Price>::builder(&bars, "undelivered")
        .options(patient())
        .dead_letters(|_, _| async { Err(io::Error::other("the mailbox is full")) })
        .start()
        .await
        .unwrap();
    batcher.push_all([price(0), poison(1), price(2)]).await.unwrap();
    let error = within("a flush", PATIENCE, batcher.flush()).await.unwrap_err();
    assert!(error.message().contains("the mailbox is full"), "{error}");
    let report = batcher.close(PATIENCE).await;
    assert_eq!((report.stored, report.rows), (1, vec![poison(1), price(2)]));

    let none = BatchOptions { max_refused: 5, ..patient() };
    let batcher = Batcher::<Price>::builder(&bars, "undelivered")
        .options(none)
        .dead_letters(|_, _| async { Ok::<_, io::Error>(()) })
        .start()
        .await
        .unwrap();
    batcher.push_all((0..64).map(poison)).await.unwrap();
    let error = within("a flush", PATIENCE, batcher.flush()).await.unwrap_err();
    assert!(error.message().contains("Code: 469"), "{error}");
    assert_eq!((batcher.refused(), batcher.pending()), (5, 59));
    assert_eq!(batcher.close(PATIENCE).await.rows, (5..64).map(poison).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_of_too_many_partitions_is_stored_in_halves() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "partitioned", "PARTITION BY n").await;
    let batcher = Batcher::new(&bars, "partitioned", patient());
    // 100 to an insert is the server's limit.
    batcher.push_all((0..250).map(price)).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    assert_eq!(numbers(&bars, "partitioned").await, (0..250).collect::<Vec<_>>());
    assert!(batcher.close(PATIENCE).await.is_clean());
}

#[tokio::test]
async fn a_table_that_gets_a_column_goes_on_being_written_also_over_a_reconnect() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "altered", "").await;
    let batcher = Batcher::new(&bars, "altered", patient());
    batcher.push(price(0)).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    execute(&bars, "ALTER TABLE altered ADD COLUMN more Float64").await;
    batcher.push(price(1)).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();

    // A new client remembers nothing of the table, and finds a column that the rows have not.
    let mut watch = bars.watch();
    bars.reconnect();
    assert!(within("a new one", PATIENCE, watch.next()).await.is_some());
    batcher.push(price(2)).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    assert_eq!(numbers(&bars, "altered").await, [0, 1, 2]);

    // What is no addition is refused, and the rows are kept.
    execute(&bars, "ALTER TABLE altered DROP CONSTRAINT is_positive").await;
    execute(&bars, "ALTER TABLE altered MODIFY COLUMN price String").await;
    batcher.push(price(3)).await.unwrap();
    let error = within("a flush", PATIENCE, batcher.flush()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert_eq!(batcher.close(PATIENCE).await.rows, [price(3)]);
}

#[tokio::test]
async fn several_tables_share_one_memory_and_a_large_batch_is_cut_by_its_bytes() {
    let bars = resource(shared().await, Settings::default()).await;
    let row = size_of::<Price>();
    let memory = BatchMemory::new(100 * row);
    let options = BatchOptions { max_bytes: 10 * row, ..patient() };
    let mut batchers = Vec::new();
    for name in ["shared_a", "shared_b"] {
        table(&bars, name, "").await;
        let builder = Batcher::<Price>::builder(&bars, name).options(options).memory(&memory);
        batchers.push(builder.start().await.unwrap());
    }
    for n in 0..9 {
        batchers[0].push(price(n)).await.unwrap();
    }
    assert_eq!((batchers[0].stored(), memory.free()), (0, 91 * row));
    batchers[0].push(price(9)).await.unwrap();
    eventually("a batch that is full by its bytes", PATIENCE, async || batchers[0].stored() == 10)
        .await;
    let both = async |n| {
        batchers[0].push(price(n)).await.unwrap();
        batchers[1].push(price(n)).await.unwrap();
    };
    within("more than the memory holds", PATIENCE, async {
        for n in 10..500 {
            both(n).await;
        }
    })
    .await;
    for batcher in &batchers {
        let report = batcher.close(PATIENCE).await;
        assert!(report.is_clean(), "{report}");
    }
    assert_eq!(memory.free(), 100 * row);
    assert_eq!(
        numbers(&bars, "shared_a").await.len() + numbers(&bars, "shared_b").await.len(),
        990
    );
}

#[tokio::test]
async fn small_batches_may_go_through_the_server_s_own_buffer() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "buffered", "").await;
    let options = BatchOptions { mode: InsertMode::Async, ..patient() };
    let batcher = Batcher::new(&bars, "buffered", options);
    batcher.push_all((0..10).map(price)).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    assert_eq!(numbers(&bars, "buffered").await, (0..10).collect::<Vec<_>>());
    assert!(batcher.close(PATIENCE).await.is_clean());
}

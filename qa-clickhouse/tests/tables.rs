//! Tables of market data on a real server.

mod common;

use clickhouse::Row;
use common::{PATIENCE, execute, resource, shared};
use qa_clickhouse::{BatchOptions, Batcher, Partition, Queries, QueryOptions, Table, clickhouse};
use qa_resource_core::{Group, Settings};
use qa_servers::testing::within;
use serde::Serialize;
use std::time::Duration;

#[derive(Row, Serialize, Clone, Debug)]
struct Bar {
    code: String,
    time: u32,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    amount: f64,
}

fn bar(code: u32, day: u32, close: f64) -> Bar {
    let time = 1_577_836_800 + day * 86_400;
    let (open, high, low) = (close, close, close);
    Bar { code: format!("{code:06}"), time, open, high, low, close, volume: 100.0, amount: 1.0 }
}

#[tokio::test]
async fn history_of_more_partitions_than_an_insert_may_have_is_stored_and_a_row_that_comes_again_replaces()
 {
    let resource = resource(shared().await, Settings::default()).await;
    let group = Group::from(&resource);
    execute(&resource, "DROP TABLE IF EXISTS history SYNC").await;
    let table = Table::bars("history").partition(Partition::Day);
    table.create(&group).await.unwrap();
    table.create(&group).await.unwrap();
    let options = BatchOptions { max_age: Duration::from_secs(600), ..BatchOptions::default() };
    let batcher = Batcher::new(&group, "history", options);
    let history = (0..400).flat_map(|day| (0..5).map(move |code| bar(code, day, 10.0)));
    batcher.push_all(history).await.unwrap();
    batcher.push(bar(3, 7, 11.0)).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    let queries = Queries::new(&group, QueryOptions::default());
    let sql = "SELECT count(), uniqExact(toDate(time)), max(close) FROM history FINAL";
    let seen: (u64, u64, f64) = queries.query(sql).fetch_one().await.unwrap();
    assert_eq!(seen, (2000, 400, 11.0));
    assert!(batcher.close(PATIENCE).await.is_clean());
    let ticks = Table::ticks("ticks");
    ticks.create(&group).await.unwrap();
    let sql = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'ticks' ORDER BY position";
    let columns: Vec<String> = queries.query(sql).fetch_all().await.unwrap();
    assert_eq!(columns, ticks.columns().collect::<Vec<_>>());
}

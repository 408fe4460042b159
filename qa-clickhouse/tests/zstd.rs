//! ZSTD instead of LZ4, on a real server.
#![cfg(feature = "zstd")]

mod common;

use clickhouse::Row;
use common::{PATIENCE, execute, shared, target};
use qa_clickhouse::{BatchOptions, Batcher, ClickHouse, Queries, QueryOptions, clickhouse};
use qa_resource_core::{ErrorKind, Group, Resource, Settings};
use qa_servers::testing::within;
use serde::Serialize;

#[derive(Row, Serialize)]
struct Tick {
    n: u64,
    code: String,
}

const ROWS: u64 = 50_000;

fn tick(n: u64) -> Tick {
    Tick { n, code: format!("{:06}.XSHE", n % 5000) }
}

async fn connect(compression: &str) -> Resource<ClickHouse> {
    let url = format!("{}?compression={compression}", shared().await.url());
    let backend = ClickHouse::new(&target("bars", &url)).unwrap();
    let resource = Resource::new("bars", backend, Settings::default());
    resource.connect().await.unwrap();
    resource
}

/// Bytes over the network, in and out, of the same rows.
async fn bytes(compression: &str, table: &str) -> (u64, u64) {
    let bars = connect(compression).await;
    execute(&bars, &format!("DROP TABLE IF EXISTS {table} SYNC")).await;
    let columns = "n UInt64, code String";
    execute(&bars, &format!("CREATE TABLE {table} ({columns}) ENGINE = MergeTree ORDER BY n"))
        .await;
    let options = BatchOptions { max_rows: 100_000, ..BatchOptions::default() };
    let batcher = Batcher::new(&bars, table, options);
    batcher.push_all((0..ROWS).map(tick)).await.unwrap();
    let report = batcher.close(PATIENCE).await;
    assert!(report.is_clean() && report.stored == ROWS, "{report}");

    let queries = Queries::new(Group::from(&bars), QueryOptions::default());
    let sql = format!("SELECT n, code FROM {table} ORDER BY n");
    let mut rows = queries.query(sql).rows::<(u64, String)>().await.unwrap();
    let mut next = 0;
    while let Some((n, code)) = rows.next().await.unwrap() {
        assert_eq!((n, code), (next, tick(next).code));
        next += 1;
    }
    assert_eq!(next, ROWS);
    execute(&bars, "SYSTEM FLUSH LOGS").await;
    let sql = "SELECT max(ProfileEvents['NetworkReceiveBytes']) FROM system.query_log \
               WHERE type = 'QueryFinish' AND query_kind = 'Insert' AND has(tables, currentDatabase() || '.' || {table:String})";
    let query = queries.query(sql).param("table", table.to_owned());
    (query.fetch_one().await.unwrap(), rows.received_bytes())
}

#[tokio::test]
async fn rows_go_in_and_out_unchanged_and_take_less_than_with_the_others() {
    let none = bytes("none", "zstd_none").await;
    let lz4 = bytes("lz4", "zstd_lz4").await;
    let zstd = bytes("zstd", "zstd_zstd").await;
    let fast = bytes("zstd:1", "zstd_fast").await;
    let all = format!("{none:?} {lz4:?} {zstd:?} {fast:?}");
    assert!(none.0 > lz4.0 && lz4.0 > zstd.0 && lz4.0 > fast.0 && fast.0 > 0, "{all}");
    assert_ne!(zstd.0, fast.0, "the level is of what is inserted: {all}");
    assert!(none.1 > lz4.1 && lz4.1 > zstd.1, "{all}");
}

#[tokio::test]
async fn an_error_in_the_middle_is_an_error_with_zstd_too() {
    let bars = connect("zstd").await;
    let queries = Queries::new(&bars, QueryOptions::default());
    let thrown =
        "SELECT number, throwIf(number = 4000000, 'thrown in the middle') FROM numbers(8000000)";
    // More than the server holds back before it answers.
    let mut nowhere = tokio::io::sink();
    let all = queries.query(thrown).write_to("RowBinary", &mut nowhere);
    let error = within("an error", PATIENCE, all).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert!(error.message().contains("thrown in the middle"), "{error}");
}

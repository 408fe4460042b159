//! Columns in and out, on a real server.
#![cfg(feature = "arrow")]

mod common;

use common::{PATIENCE, execute, resource, shared};
use qa_clickhouse::arrow::insert_batches;
use qa_clickhouse::{ClickHouse, Queries, QueryOptions};
use qa_resource_core::{ErrorKind, Group, Settings};
use qa_servers::testing::within;

async fn start() -> (Group<ClickHouse>, Queries) {
    let group = Group::from(resource(shared().await, Settings::default()).await);
    let queries = Queries::new(&group, QueryOptions::default());
    (group, queries)
}

/// Every type that market data has, and a value of it.
const TYPES: [(&str, &str); 23] = [
    ("Bool", "true"),
    ("Int8", "-8"),
    ("UInt16", "16"),
    ("Int64", "-9000000000000000000"),
    ("UInt64", "18000000000000000000"),
    ("Float32", "1.5"),
    ("Float64", "nan"),
    ("Decimal(18, 4)", "'12345.6789'"),
    ("Decimal(38, 10)", "'1234567890.0123456789'"),
    ("Decimal(76, 20)", "'12345678901234567890.5'"),
    ("Date", "'2024-01-31'"),
    ("Date32", "'1950-01-31'"),
    ("DateTime('Asia/Shanghai')", "'2024-01-31 15:00:00'"),
    ("DateTime64(3, 'Asia/Shanghai')", "'2024-01-31 15:00:00.123'"),
    ("LowCardinality(String)", "'000001'"),
    ("Nullable(Float64)", "NULL"),
    ("Array(Nullable(Float64))", "[1.5, NULL]"),
    ("Enum8('buy' = 1, 'sell' = 2)", "'sell'"),
    ("UUID", "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'"),
    ("IPv4", "'127.0.0.1'"),
    ("IPv6", "'::1'"),
    ("Int128", "'-170141183460469231731687303715884105728'"),
    ("UInt256", "'115792089237316195423570985008687907853269984665640564039457584007913129639935'"),
];

async fn text(queries: &Queries, table: &str) -> String {
    let mut text = Vec::new();
    let query = queries.query(format!("SELECT * FROM {table}"));
    query.write_to("TabSeparatedWithNames", &mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn every_type_of_market_data_goes_out_and_in_again_unchanged_or_names_its_column() {
    let (group, queries) = start().await;
    let resource = &group.members()[0];
    let mut refused = Vec::new();
    for (at, (kind, value)) in TYPES.iter().enumerate() {
        let (from, to) = (format!("from_{at}"), format!("to_{at}"));
        for table in [&from, &to] {
            let columns = format!("n UInt8, value_{at} {kind}");
            let sql = format!(
                "CREATE OR REPLACE TABLE {table} ({columns}) ENGINE = MergeTree ORDER BY n"
            );
            execute(resource, &sql).await;
        }
        execute(resource, &format!("INSERT INTO {from} VALUES (1, {value})")).await;
        let batches =
            queries.query(format!("SELECT * FROM {from}")).arrow().await.unwrap().collect().await;
        let inserted = match batches {
            Ok(batches) => insert_batches(&group, &to, &batches).await,
            Err(error) => Err(error),
        };
        match inserted {
            Ok(()) => assert_eq!(text(&queries, &from).await, text(&queries, &to).await, "{kind}"),
            Err(error) => {
                assert!(error.message().contains(&format!("value_{at}")), "{kind}: {error}");
                refused.push(*kind);
            }
        }
    }
    assert_eq!(refused, [""; 0]);
}

#[tokio::test]
async fn a_long_answer_comes_in_batches_and_one_that_breaks_off_is_an_error() {
    let (_group, queries) = start().await;
    let sql = "SELECT number, toString(number) AS code FROM numbers(1000000)";
    let mut stream = queries.query(sql).arrow().await.unwrap();
    let (mut rows, mut batches) = (0, 0);
    while let Some(batch) = stream.next().await.unwrap() {
        assert_eq!(batch.num_columns(), 2);
        rows += batch.num_rows();
        batches += 1;
    }
    assert!(rows == 1_000_000 && batches > 10, "{rows} in {batches}");
    let thrown =
        "SELECT number, throwIf(number = 3000000, 'thrown in the middle') FROM numbers(6000000)";
    let all = queries.query(thrown).arrow().await.unwrap().collect();
    let error = within("an error", PATIENCE, all).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert!(error.message().contains("thrown in the middle"), "{error}");
}

#[tokio::test]
async fn batches_are_stored_once_under_one_token_and_a_column_that_does_not_fit_is_named() {
    let (group, queries) = start().await;
    let resource = &group.members()[0];
    execute(resource, "CREATE OR REPLACE TABLE columns_in (number UInt64, code String) ENGINE = MergeTree ORDER BY number").await;
    let sql = "SELECT number, toString(number) AS code FROM numbers(200000)";
    let batches = queries.query(sql).arrow().await.unwrap().collect().await.unwrap();
    assert!(batches.len() > 1);
    insert_batches(&group, "columns_in", &batches).await.unwrap();
    insert_batches(&group, "columns_in", &[]).await.unwrap();
    let sql = "SELECT count(), uniqExact(_part) FROM columns_in";
    let stored: (u64, u64) = queries.query(sql).fetch_one().await.unwrap();
    assert_eq!(stored, (200_000, 1), "as one block");
    let wrong = queries.query("SELECT 'x' AS number, 'y' AS code").arrow().await.unwrap();
    let wrong = wrong.collect().await.unwrap();
    let error = insert_batches(&group, "columns_in", &wrong).await.unwrap_err();
    assert!(error.message().contains("number"), "{error}");
}

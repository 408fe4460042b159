//! `DataFrame`s in and out, on a real server.
#![cfg(feature = "polars")]

mod common;

use common::{PATIENCE, execute, resource, shared};
use qa_clickhouse::polars::polars_core::prelude::{
    AnyValue, Column, DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit,
};
use qa_clickhouse::polars::{insert_dataframe, to_batches};
use qa_clickhouse::{Batcher, ClickHouse, Queries, QueryOptions};
use qa_resource_core::{ErrorKind, Group, Settings};
use qa_servers::testing::within;

async fn start() -> (Group<ClickHouse>, Queries) {
    let group = Group::from(resource(shared().await, Settings::default()).await);
    let queries = Queries::new(&group, QueryOptions::default());
    (group, queries)
}

/// Every type of market data that a `DataFrame` holds, two values of it, and what the first is there.
const TYPES: [(&str, &str, &str, &str); 36] = [
    ("Bool", "true", "false", "true"),
    ("Int8", "-8", "127", "-8"),
    ("Int16", "-16", "0", "-16"),
    ("Int32", "-32", "0", "-32"),
    ("Int64", "-9000000000000000000", "1", "-9000000000000000000"),
    ("UInt8", "200", "0", "200"),
    ("UInt16", "60000", "0", "60000"),
    ("UInt32", "4000000000", "0", "4000000000"),
    ("UInt64", "18000000000000000000", "1", "18000000000000000000"),
    (
        "Int128",
        "'-170141183460469231731687303715884105728'",
        "'7'",
        "-170141183460469231731687303715884105728",
    ),
    (
        "UInt128",
        "'340282366920938463463374607431768211455'",
        "'7'",
        "340282366920938463463374607431768211455",
    ),
    ("Float32", "1.5", "-inf", "1.5"),
    ("Float64", "nan", "2.25", "NaN"),
    ("Decimal(9, 2)", "'-1234567.89'", "'0.01'", "-1234567.89"),
    ("Decimal(18, 4)", "'12345.6789'", "'0'", "12345.6789"),
    ("Decimal(38, 10)", "'1234567890.0123456789'", "'-1'", "1234567890.0123456789"),
    ("Date", "'2024-01-31'", "'1970-01-01'", "2024-01-31"),
    ("Date32", "'1950-01-31'", "'2100-12-31'", "1950-01-31"),
    ("DateTime", "'2024-01-31 15:00:00'", "'2000-01-01 00:00:00'", "2024-01-31 15:00:00 UTC"),
    (
        "DateTime('Asia/Shanghai')",
        "'2024-01-31 15:00:00'",
        "'2000-01-01 00:00:00'",
        "2024-01-31 15:00:00 CST",
    ),
    (
        "DateTime64(0, 'Asia/Shanghai')",
        "'2024-01-31 15:00:00'",
        "'1960-01-01 00:00:00'",
        "2024-01-31 15:00:00 CST",
    ),
    (
        "DateTime64(3, 'Asia/Shanghai')",
        "'2024-01-31 15:00:00.123'",
        "'1960-01-01 00:00:00.001'",
        "2024-01-31 15:00:00.123 CST",
    ),
    (
        "DateTime64(6, 'America/New_York')",
        "'2024-01-31 15:00:00.123456'",
        "'1960-01-01 00:00:00'",
        "2024-01-31 15:00:00.123456 EST",
    ),
    (
        "DateTime64(9, 'UTC')",
        "'2024-01-31 15:00:00.123456789'",
        "'1960-01-01 00:00:00'",
        "2024-01-31 15:00:00.123456789 UTC",
    ),
    ("String", "'平安银行'", "''", "平安银行"),
    ("FixedString(6)", "'000001'", "'600000'", "b\"000001\""),
    ("LowCardinality(String)", "'000001'", "'a long one of more than 12 bytes'", "000001"),
    ("LowCardinality(Nullable(String))", "NULL", "'x'", "null"),
    ("Nullable(Float64)", "NULL", "1.5", "null"),
    ("Nullable(UUID)", "NULL", "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'", "null"),
    ("Enum8('buy' = 1, 'sell' = -2)", "'sell'", "'buy'", "sell"),
    ("Enum16('call' = 1000, 'put' = 2)", "'call'", "'put'", "call"),
    (
        "UUID",
        "'61f0c404-5cb3-11e7-907b-a6006ad3dba0'",
        "'00000000-0000-0000-0000-000000000001'",
        "61f0c404-5cb3-11e7-907b-a6006ad3dba0",
    ),
    ("IPv4", "'127.0.0.1'", "'255.1.2.3'", "127.0.0.1"),
    ("IPv6", "'::1'", "'2001:db8::ff00:42:8329'", "::1"),
    ("SimpleAggregateFunction(max, UInt64)", "5", "6", "5"),
];

/// The same in arrays.
const ARRAYS: [&str; 8] = [
    "Array(Nullable(Float64))",
    "Array(Array(UInt32))",
    "Array(LowCardinality(String))",
    "Array(Decimal(18, 4))",
    "Array(DateTime64(3, 'Asia/Shanghai'))",
    "Array(Enum8('buy' = 1, 'sell' = 2))",
    "Array(UUID)",
    "Array(Date)",
];

const OF_ARRAYS: [&str; 8] = [
    "[1.5, NULL], []",
    "[[1, 2], [], [3]], [[4]]",
    "['x', 'y'], ['x']",
    "['1.5', '-2'], []",
    "['2024-01-31 15:00:00.123'], []",
    "['buy', 'sell'], []",
    "['61f0c404-5cb3-11e7-907b-a6006ad3dba0'], []",
    "['2024-01-31', '2024-02-01'], []",
];

async fn text(queries: &Queries, table: &str) -> String {
    let mut text = Vec::new();
    let query = queries.query(format!("SELECT * FROM {table} ORDER BY n"));
    query.write_to("TabSeparatedWithNames", &mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// A value as a text that holds all of it.
fn shown(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::Binary(bytes) => format!("b{:?}", String::from_utf8_lossy(bytes)),
        other => other.to_string(),
    }
}

/// Puts two values of a type into a table, reads them as a `DataFrame`, inserts that, and compares.
async fn there_and_back(
    (group, queries): (&Group<ClickHouse>, &Queries),
    at: usize,
    kind: &str,
    [one, two]: [&str; 2],
) -> DataFrame {
    let (from, to) = (format!("frame_from_{at}"), format!("frame_to_{at}"));
    for table in [&from, &to] {
        let columns = format!("n UInt8, value_{at} {kind}");
        let engine = "ENGINE = MergeTree ORDER BY n SETTINGS allow_nullable_key = 1";
        let sql = format!("CREATE OR REPLACE TABLE {table} ({columns}) {engine}");
        execute(&group.members()[0], &sql).await;
    }
    let sql = format!("INSERT INTO {from} VALUES (1, {one}), (2, {two})");
    execute(&group.members()[0], &sql).await;
    let query = queries.query(format!("SELECT * FROM {from} ORDER BY n"));
    let frame = query.dataframe().await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    assert_eq!(frame.shape(), (2, 2), "{kind}");
    let inserted = insert_dataframe(group, &to, &frame).await;
    inserted.unwrap_or_else(|error| panic!("{kind}: {error}"));
    assert_eq!(text(queries, &from).await, text(queries, &to).await, "{kind}");
    frame
}

#[tokio::test]
async fn every_type_of_market_data_goes_into_a_dataframe_and_back_unchanged() {
    let (group, queries) = start().await;
    let both = (&group, &queries);
    for (at, (kind, one, two, expected)) in TYPES.into_iter().enumerate() {
        let frame = there_and_back(both, at, kind, [one, two]).await;
        let value = frame.columns()[1].get(0).unwrap();
        assert_eq!(shown(&value), expected, "{kind}");
    }
    for (at, (kind, values)) in ARRAYS.into_iter().zip(OF_ARRAYS).enumerate() {
        let (one, two) = values.split_at(values.rfind(", [").unwrap());
        there_and_back(both, 100 + at, kind, [one, &two[2..]]).await;
    }
}

#[tokio::test]
async fn moments_keep_their_zone_and_their_unit() {
    let (_group, queries) = start().await;
    let sql = "SELECT toDateTime64('2024-01-31 15:00:00.123', 3, 'Asia/Shanghai') AS time";
    let frame = queries.query(sql).dataframe().await.unwrap();
    let DataType::Datetime(unit, Some(zone)) = frame.columns()[0].dtype() else {
        panic!("{:?}", frame.columns()[0].dtype());
    };
    assert_eq!((*unit, zone.as_str()), (TimeUnit::Milliseconds, "Asia/Shanghai"));
    let value = frame.columns()[0].get(0).unwrap();
    assert_eq!(value.extract::<i64>(), Some(1_706_684_400_123));
}

#[tokio::test]
async fn a_type_that_has_no_place_is_refused_with_the_column_s_name() {
    let (group, queries) = start().await;
    let cases = [
        "toUInt256(1)",
        "toInt256(-1)",
        "toDecimal256('1', 20)",
        "map('a', 1)",
        "(1, 'x')",
        "[toUInt256(1)]",
    ];
    for value in cases {
        let sql = format!("SELECT 1 AS fine, {value} AS culprit");
        let error = queries.query(sql).dataframe().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Operation);
        let message = error.message();
        assert!(message.contains("`culprit`") && message.contains("toString"), "{message}");
    }
    let frame = queries.query("SELECT toString(toUInt256(1)) AS culprit").dataframe().await;
    assert_eq!(shown(&frame.unwrap().columns()[0].get(0).unwrap()), "1");

    let lists = Series::new("culprit".into(), [Series::new("".into(), [1_i128])]);
    let frame = DataFrame::new_infer_height(vec![lists.into_column()]).unwrap();
    let error = insert_dataframe(&group, "nowhere", &frame).await.unwrap_err();
    assert!(error.message().contains("`culprit`"), "{error}");
}

#[tokio::test]
async fn an_answer_without_rows_has_its_columns_and_a_query_s_parameters_and_comments_are_kept() {
    let (_group, queries) = start().await;
    let sql = "SELECT toDate('2024-01-31') AS date, number FROM numbers(10) WHERE number > {least:UInt64}; -- all";
    let error = queries.query(sql).param("least", 100).dataframe().await.unwrap_err();
    assert!(error.message().contains("Code: 62"), "two statements: {error}");
    let sql = "SELECT toDate('2024-01-31') AS date, number FROM numbers(10) WHERE number > {least:UInt64} -- all";
    let empty = queries.query(sql).param("least", 100).dataframe().await.unwrap();
    let types: Vec<_> = empty.columns().iter().map(Column::dtype).collect();
    assert_eq!((empty.height(), types), (0, vec![&DataType::Date, &DataType::UInt64]));
    let some = queries.query(sql).param("least", 6).dataframe().await.unwrap();
    assert_eq!(some.height(), 3);
    let error = queries.query("SELECT nothing").dataframe().await.unwrap_err();
    assert!(error.message().contains("nothing"), "{error}");
}

#[tokio::test]
async fn a_long_answer_is_whole_and_one_that_breaks_off_is_an_error() {
    let (group, queries) = start().await;
    let sql = "SELECT number, toString(number) AS code, if(number % 3 = 0, NULL, number) AS third FROM numbers(500000)";
    let frame = queries.query(sql).dataframe().await.unwrap();
    assert_eq!(frame.shape(), (500_000, 3));
    assert_eq!(frame.column("third").unwrap().null_count(), 166_667);
    let create = "CREATE OR REPLACE TABLE frame_long (number UInt64, code String, third Nullable(UInt64)) ENGINE = MergeTree ORDER BY number";
    execute(&group.members()[0], create).await;
    insert_dataframe(&group, "frame_long", &frame).await.unwrap();
    let sums = "SELECT count(), sum(number), sum(toUInt64(code)), ifNull(sum(third), 0), uniqExact(_part) FROM frame_long";
    let all = 499_999 * 500_000 / 2;
    let thirds: u64 = (0..500_000).filter(|number| number % 3 != 0).sum();
    let sums: (u64, u64, u64, u64, u64) = queries.query(sums).fetch_one().await.unwrap();
    assert_eq!(sums, (500_000, all, all, thirds, 1));

    let thrown =
        "SELECT number, throwIf(number = 3000000, 'thrown in the middle') FROM numbers(6000000)";
    let error = within("an error", PATIENCE, queries.query(thrown).dataframe()).await.unwrap_err();
    assert!(error.message().contains("thrown in the middle"), "{error}");
}

#[tokio::test]
async fn dataframes_go_through_a_batcher_in_order() {
    let (group, queries) = start().await;
    let create = "CREATE OR REPLACE TABLE frame_batched (n UInt64, code LowCardinality(String)) ENGINE = MergeTree ORDER BY n";
    execute(&group.members()[0], create).await;
    let batcher = Batcher::columns(&group, "frame_batched").start().await.unwrap();
    for chunk in 0..10_u64 {
        let numbers: Vec<_> = (chunk * 1000..(chunk + 1) * 1000).collect();
        let codes: Vec<_> = numbers.iter().map(|n| format!("{:06}", n % 10)).collect();
        let columns = vec![
            Series::new("n".into(), numbers).into_column(),
            Series::new("code".into(), codes).into_column(),
        ];
        let frame = DataFrame::new_infer_height(columns).unwrap();
        batcher.push_all(to_batches(&frame).unwrap()).await.unwrap();
    }
    let report = batcher.close(PATIENCE).await;
    assert!(report.is_clean() && report.stored == 10_000, "{report}");
    let sql = "SELECT count(), uniqExact(n), countIf(toUInt64(code) = n % 10) FROM frame_batched";
    let counts: (u64, u64, u64) = queries.query(sql).fetch_one().await.unwrap();
    assert_eq!(counts, (10_000, 10_000, 10_000));
}

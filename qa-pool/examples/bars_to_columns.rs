//! A year of bars of 500 codes is read into columns; a read that takes too long is ended on the server,
//! and the next one goes on as if nothing had been.
//!
//! `cargo run --release -p qa-pool --features clickhouse,arrow --example bars_to_columns -- http://localhost`

use qa_pool::clickhouse::arrow::arrow_array::RecordBatch;
use qa_pool::clickhouse::clickhouse::{self, Row};
use qa_pool::clickhouse::{ClickHouse, Queries, QueryOptions};
use qa_pool::core::{ErrorKind, Resource, Target};
use qa_pool::{Group, Settings};
use serde::Deserialize;
use std::time::{Duration, Instant};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS bars_of_a_year (code LowCardinality(String), date Date, open Float64, high Float64, low Float64, close Float64, volume Float64, amount Float64, factor Float64, pre_close Float64, turnover Float64) ENGINE = ReplacingMergeTree ORDER BY (code, date)";

/// Made by the server: 1,000 codes of 250 days.
const FILL: &str = "INSERT INTO bars_of_a_year SELECT leftPad(toString(number % 1000), 6, '0'), toDate('2024-01-01') + intDiv(number, 1000), 10, 11, 9, 10.5, 1000, 10000, 1, 10, 0.01 FROM numbers(250000)";

const YEAR: &str =
    "SELECT * FROM bars_of_a_year FINAL WHERE code IN {codes:Array(String)} ORDER BY code, date";

#[derive(Row, Deserialize)]
#[expect(dead_code, reason = "a row has every column, and one is looked at")]
struct Bar {
    code: String,
    date: u16,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    amount: f64,
    factor: f64,
    pre_close: f64,
    turnover: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://localhost".to_owned());
    let target = Target::parse("bars", &url)?;
    let resource = Resource::new("bars", ClickHouse::new(&target)?, Settings::default());
    resource.connect().await?;
    let queries = Queries::new(Group::from(&resource), QueryOptions::default());
    queries.query(TABLE).execute().await?;
    queries.query(FILL).execute().await?;
    let codes: Vec<_> = (0..500).map(|code| format!("{code:06}")).collect();

    let began = Instant::now();
    let batches =
        queries.query(YEAR).param("codes", codes.clone()).arrow().await?.collect().await?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let columns = batches.first().map_or(0, RecordBatch::num_columns);
    let per_second = rate(rows, began.elapsed());
    println!("{rows} bars in {columns} columns: {per_second:.0} rows a second");

    let began = Instant::now();
    let bars: Vec<Bar> = queries.query(YEAR).param("codes", codes.clone()).fetch_all().await?;
    let highest = bars.iter().map(|bar| bar.close).fold(f64::MIN, f64::max);
    let per_second = rate(bars.len(), began.elapsed());
    println!("{} bars as rows, of at most {highest}: {per_second:.0} rows a second", bars.len());

    // Stopped in the middle, by its limit and by being dropped.
    let slow = "SELECT *, sleepEachRow(0.01) FROM bars_of_a_year SETTINGS max_block_size = 10";
    let query = queries.query(slow).id("too-slow").limit(Duration::from_millis(300));
    let error = query.execute().await.err().ok_or("it ended in time")?;
    println!("the slow one ended: {}", error.kind());
    assert_eq!(error.kind(), ErrorKind::Timeout);
    drop(queries.query(YEAR).param("codes", codes).id("dropped").arrow().await?.next().await?);
    let again: u64 =
        queries.query("SELECT uniqExact(code) FROM bars_of_a_year").fetch_one().await?;
    println!("{again} codes are there, and the connection is as before");
    println!("{}", resource.close(Duration::from_secs(5)).await);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate is not that precise")]
fn rate(rows: usize, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64()
}

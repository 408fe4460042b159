//! B4: rows out of ClickHouse in several forms, and the native protocol beside HTTP.

use super::ingest::{BATCH, batched, inserted};
use super::{AS_BARE, GOODBYE, bare, connected};
use crate::bench::Bench;
use crate::contest::{Contest, Party, rate, told};
use anyhow::{Result, ensure};
use qa_pool::Group;
use qa_pool::clickhouse::clickhouse::{self, Client, Row};
use qa_pool::clickhouse::{ClickHouse, Queries, QueryOptions, Table};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Bars of 1,000 codes, of 250 days at the most.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS bars (code LowCardinality(String), date Date, open Float64, high Float64, low Float64, close Float64, volume Float64, amount Float64, factor Float64, pre_close Float64, turnover Float64) ENGINE = MergeTree ORDER BY (code, date)";

/// Of half of the codes. The peers have the same words.
const BARS: &str = "SELECT * FROM bars WHERE code < '000500' ORDER BY code, date";

#[derive(Row, Deserialize)]
#[expect(dead_code, reason = "rows are read whole and counted")]
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

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    let (url, native) = bench.servers.native().await?;
    bench.driver("clickhouse");
    let ours = connected(&url, ClickHouse::new).await?;
    let group = Group::from(&ours);
    let (queries, bare) = (Queries::new(&ours, QueryOptions::default()), bare::clickhouse(&url)?);
    let days: usize = bench.pick(4, 250);
    fill(&bare, days).await?;
    let rows = 500 * days;
    let klickhouse = bench.peer("klickhouse", &native).await?;

    let client = bare.clone();
    let alone = rate(rows, move || read_bare(client.clone(), rows));
    let contest =
        Contest::new("bars as rows", &["rows/s"], "qa-clickhouse", as_rows(&queries, rows))
            .beside("bare driver", &[AS_BARE], alone)
            .beside("klickhouse, native", &[], told(&klickhouse, format!("read {rows}"), rows));
    bench.hold(contest).await?;

    let arrow = as_arrow(&queries, rows);
    let contest = Contest::new("bars as Arrow batches", &["rows/s"], "qa-clickhouse", arrow)
        .beside("our rows", &[], as_rows(&queries, rows))
        .beside("the server's bytes", &[], as_bytes(&queries, rows))
        .beside("klickhouse, native", &[], told(&klickhouse, format!("read {rows}"), rows));
    bench.hold(contest).await?;

    let rows = bench.pick(5_000, 400_000);
    let many = u64::try_from(rows)?;
    for table in ["http_batcher", "http_bare", "native"] {
        bare.query(&ticks(table)).execute().await?;
    }
    let batcher = rate(rows, {
        let (group, bare) = (group.clone(), bare.clone());
        move || through_batcher(group.clone(), bare.clone(), many)
    });
    let client = bare.clone();
    let alone = rate(rows, move || insert_bare(client.clone(), many));
    let contest = Contest::new("ticks inserted", &["rows/s"], "qa-clickhouse", batcher)
        .rounds_at_most(10)
        .beside("bare driver", &[], alone)
        .beside("klickhouse, native", &[], told(&klickhouse, format!("insert {rows}"), rows));
    bench.hold(contest).await?;
    ours.close(GOODBYE).await;
    Ok(())
}

async fn fill(client: &Client, days: usize) -> Result<()> {
    client.query(TABLE).execute().await?;
    client.query("TRUNCATE TABLE bars").execute().await?;
    let count = 1000 * days;
    let sql = format!(
        "INSERT INTO bars SELECT leftPad(toString(number % 1000), 6, '0'), toDate('2024-01-01') + intDiv(number, 1000), 10, 11, 9, 10.5, 1000, 10000, 1, 10, 0.01 FROM numbers({count})"
    );
    client.query(&sql).execute().await?;
    Ok(client.query("OPTIMIZE TABLE bars FINAL").execute().await?)
}

/// A table of ticks whose times are bare numbers, which every client has.
fn ticks(name: &str) -> String {
    let kind = |column: &str| match column {
        "code" => "LowCardinality(String)",
        "time" => "Int64",
        _ => "Float64",
    };
    let ticks = Table::ticks(name);
    let columns: Vec<_> = ticks.columns().map(|name| format!("{name} {}", kind(name))).collect();
    let columns = columns.join(", ");
    format!(
        "CREATE TABLE IF NOT EXISTS {name} ({columns}) ENGINE = MergeTree ORDER BY (code, time)"
    )
}

fn as_rows(queries: &Queries, rows: usize) -> impl Party + 'static {
    let queries = queries.clone();
    rate(rows, move || {
        let queries = queries.clone();
        async move {
            let began = Instant::now();
            let (mut bars, mut count) = (queries.query(BARS).rows::<Bar>().await?, 0);
            while bars.next().await?.is_some() {
                count += 1;
            }
            ensure!(count == rows, "{count} rows were read, of {rows}");
            Ok(began.elapsed())
        }
    })
}

fn as_arrow(queries: &Queries, rows: usize) -> impl Party + 'static {
    let queries = queries.clone();
    rate(rows, move || {
        let queries = queries.clone();
        async move {
            let began = Instant::now();
            let (mut batches, mut count) = (queries.query(BARS).arrow().await?, 0);
            while let Some(batch) = batches.next().await? {
                count += batch.num_rows();
            }
            ensure!(count == rows, "{count} rows were read, of {rows}");
            Ok(began.elapsed())
        }
    })
}

fn as_bytes(queries: &Queries, rows: usize) -> impl Party + 'static {
    let queries = queries.clone();
    rate(rows, move || {
        let queries = queries.clone();
        async move {
            let began = Instant::now();
            let (mut pieces, mut bytes) = (queries.query(BARS).bytes("RowBinary").await?, 0);
            while let Some(piece) = pieces.next().await? {
                bytes += piece.len();
            }
            ensure!(bytes > rows * 80, "{bytes} bytes were read for {rows} rows");
            Ok(began.elapsed())
        }
    })
}

async fn read_bare(client: Client, rows: usize) -> Result<Duration> {
    let began = Instant::now();
    let (mut bars, mut count) = (client.query(BARS).fetch::<Bar>()?, 0);
    while bars.next().await?.is_some() {
        count += 1;
    }
    ensure!(count == rows, "{count} rows were read, of {rows}");
    Ok(began.elapsed())
}

async fn through_batcher(group: Group<ClickHouse>, bare: Client, rows: u64) -> Result<Duration> {
    bare.query("TRUNCATE TABLE http_batcher").execute().await?;
    let began = Instant::now();
    batched(&group, "http_batcher", rows, None).await?;
    Ok(began.elapsed())
}

async fn insert_bare(client: Client, rows: u64) -> Result<Duration> {
    client.query("TRUNCATE TABLE http_bare").execute().await?;
    let began = Instant::now();
    inserted(&client, "http_bare", rows, BATCH).await?;
    Ok(began.elapsed())
}

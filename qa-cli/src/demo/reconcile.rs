//! Everything is read back and compared with the file.

use super::bars::Bar;
use super::connections::Connections;
use super::names::Names;
use super::report::Counts;
use super::signal::{Signal, Signals};
use super::store::SIGNAL_TTL;
use crate::output::{bad, good, heading, say, table};
use anyhow::{Context, bail};
use clickhouse::Row;
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::mongodb::bson::{Document, doc};
use qa_pool::redis::redis;
use serde::Deserialize;

/// How many months of each code are shown.
const MONTHS: u32 = 6;

/// What a store holds: bars, distinct ones, and the sum of their volumes.
#[derive(Clone, Copy, Debug, PartialEq, Row, Deserialize)]
struct Holding {
    bars: u64,
    distinct: u64,
    volume: f64,
}

#[derive(Row, Deserialize)]
struct MonthlyBar {
    code: String,
    month: String,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    bars: u64,
}

/// Reads everything back, prints it, and fails where anything does not match.
pub(crate) async fn all(
    bars: &[Bar],
    counts: &Counts,
    connections: &Connections,
    names: &Names,
) -> anyhow::Result<()> {
    print_months(connections, names).await.context("cannot read the months from ClickHouse")?;
    let signals_match = compare_signals(bars, connections, names)
        .await
        .context("cannot read the signals from Redis")?;
    heading("Reconciliation");
    let expected = expected(bars);
    let in_mongo = mongo(connections, names).await.context("cannot count in MongoDB")?;
    let in_clickhouse =
        clickhouse(connections, names).await.context("cannot count in ClickHouse")?;
    let confirmed =
        Holding { bars: counts.confirmed as u64, distinct: counts.confirmed as u64, ..expected };
    let rows = [
        ("in the file", expected),
        ("confirmed by RabbitMQ", confirmed),
        ("in MongoDB", in_mongo),
        ("in ClickHouse", in_clickhouse),
    ];
    let mut all_match = signals_match;
    let rows = rows.map(|(what, holding)| {
        let matches = holding == expected;
        all_match &= matches;
        let verdict = if matches { good("ok") } else { bad("DIFFERS") };
        let volume = if what.starts_with("confirmed") {
            String::new()
        } else {
            format!("{:.0}", holding.volume)
        };
        vec![
            what.to_owned(),
            holding.bars.to_string(),
            holding.distinct.to_string(),
            volume,
            verdict,
        ]
    });
    say!("{}", table(&["bars", "count", "distinct", "sum of volumes", ""], 1, rows));
    if !all_match {
        bail!("something was lost, duplicated or changed: see the reconciliation");
    }
    Ok(())
}

fn expected(bars: &[Bar]) -> Holding {
    // Keys were checked to be distinct when the files were read.
    let count = bars.len() as u64;
    Holding { bars: count, distinct: count, volume: bars.iter().map(|bar| bar.volume).sum() }
}

async fn mongo(connections: &Connections, names: &Names) -> anyhow::Result<Holding> {
    #[derive(Deserialize)]
    struct Sums {
        bars: i64,
        distinct: i64,
        volume: f64,
    }
    let by_key = doc! { "$group": { "_id": { "code": "$code", "time": "$time" }, "bars": { "$sum": 1_i64 }, "volume": { "$sum": "$volume" } } };
    let of_all = doc! { "$group": { "_id": null, "bars": { "$sum": "$bars" }, "distinct": { "$sum": 1_i64 }, "volume": { "$sum": "$volume" } } };
    let sums = connections.mongo.run_idempotent(async |lease| {
        let collection = MongoDb::database(&lease).collection::<Document>(&names.collection);
        let pipeline = [by_key.clone(), of_all.clone()];
        let mut cursor = collection.aggregate(pipeline).with_type::<Sums>().await?;
        if cursor.advance().await? { cursor.deserialize_current().map(Some) } else { Ok(None) }
    });
    let Sums { bars, distinct, volume } =
        sums.await?.unwrap_or(Sums { bars: 0, distinct: 0, volume: 0.0 });
    Ok(Holding { bars: u64::try_from(bars)?, distinct: u64::try_from(distinct)?, volume })
}

async fn clickhouse(connections: &Connections, names: &Names) -> anyhow::Result<Holding> {
    let query = format!(
        "SELECT count() AS bars, uniqExact(code, time) AS distinct, sum(volume) AS volume FROM {} FINAL",
        names.table
    );
    let holding = connections
        .clickhouse
        .run_idempotent(async |lease| lease.query(&query).fetch_one::<Holding>().await);
    Ok(holding.await?)
}

async fn print_months(connections: &Connections, names: &Names) -> anyhow::Result<()> {
    let query = format!(
        "SELECT toString(code) AS code, formatDateTime(toStartOfMonth(time) AS first, '%Y-%m') AS month, \
         argMin(open, time) AS open, max(high) AS high, min(low) AS low, argMax(close, time) AS close, \
         sum(volume) AS volume, count() AS bars FROM {} FINAL GROUP BY code, first ORDER BY code, first DESC LIMIT {MONTHS} BY code",
        names.table
    );
    let months = connections
        .clickhouse
        .run_idempotent(async |lease| lease.query(&query).fetch_all::<MonthlyBar>().await)
        .await?;
    heading(&format!("The last {MONTHS} months of each code, from ClickHouse"));
    let rows = months.into_iter().map(|month| {
        let price = |price: f64| format!("{price:.4}");
        let MonthlyBar { code, month, open, high, low, close, volume, bars } = month;
        vec![
            code,
            month,
            price(open),
            price(high),
            price(low),
            price(close),
            format!("{volume:.0}"),
            bars.to_string(),
        ]
    });
    say!(
        "{}",
        table(&["code", "month", "open", "high", "low", "close", "volume", "bars"], 2, rows)
    );
    Ok(())
}

/// The signals in Redis against those of the file; they must also be about to expire.
async fn compare_signals(
    bars: &[Bar],
    connections: &Connections,
    names: &Names,
) -> anyhow::Result<bool> {
    heading("The last signals, from Redis");
    let mut all_match = true;
    let mut rows = Vec::new();
    for expected in Signals::default().add(bars) {
        let key = names.signal(&expected.code);
        let get = connections.redis.run_idempotent(async |lease| {
            redis::pipe()
                .get(&key)
                .ttl(&key)
                .query_async::<(Option<String>, i64)>(&mut lease.clone())
                .await
        });
        let (text, expires) = get.await?;
        let signal = text.and_then(|text| serde_json::from_str::<Signal>(&text).ok());
        let matches = signal.as_ref() == Some(&expected)
            && expires > 0
            && expires.unsigned_abs() <= SIGNAL_TTL;
        all_match &= matches;
        let verdict = if matches { good("ok") } else { bad("DIFFERS") };
        let means = signal.map_or_else(
            || "none".to_owned(),
            |signal| {
                format!("{:?}, {:.4} over 5, {:.4} over 20", signal.side, signal.fast, signal.slow)
            },
        );
        rows.push(vec![key, means, format!("{expires} s"), verdict]);
    }
    say!("{}", table(&["key", "signal", "expires in", ""], 2, rows));
    Ok(all_match)
}

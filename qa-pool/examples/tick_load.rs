//! A day of ticks is loaded: 33 columns, through a batcher that keeps its rows on the disk until the
//! server has them.
//!
//! `cargo run --release -p qa-pool --features clickhouse --example tick_load -- http://localhost 800000`

use qa_pool::clickhouse::clickhouse::{self, Row};
use qa_pool::clickhouse::{
    BatchOptions, Batcher, ClickHouse, Queries, QueryOptions, SpillOptions, Table,
};
use qa_pool::core::{Resource, Target};
use qa_pool::{Group, Settings};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

const CODES: u64 = 4000;

/// 2024-01-02 09:30 in Shanghai, in milliseconds.
const OPENS: i64 = 1_704_159_000_000;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The columns of [`Table::ticks`].
#[derive(Row, Serialize, Deserialize)]
struct Tick {
    code: String,
    time: i64,
    price: f64,
    open: f64,
    high: f64,
    low: f64,
    pre_close: f64,
    volume: f64,
    amount: f64,
    open_interest: f64,
    upper_limit: f64,
    lower_limit: f64,
    trades: f64,
    bid_price1: f64,
    bid_volume1: f64,
    ask_price1: f64,
    ask_volume1: f64,
    bid_price2: f64,
    bid_volume2: f64,
    ask_price2: f64,
    ask_volume2: f64,
    bid_price3: f64,
    bid_volume3: f64,
    ask_price3: f64,
    ask_volume3: f64,
    bid_price4: f64,
    bid_volume4: f64,
    ask_price4: f64,
    ask_volume4: f64,
    bid_price5: f64,
    bid_volume5: f64,
    ask_price5: f64,
    ask_volume5: f64,
}

/// The tick with this number: every code in turn, one round every three seconds.
fn tick(number: u64) -> Result<Tick> {
    let (code, round) = (number % CODES, u32::try_from(number / CODES)?);
    let price = 10.0 + f64::from(round) / 100.0;
    let (bid, ask) = (price - 0.01, price + 0.01);
    let deep = |price: f64, level: u32| price + f64::from(level) / 100.0;
    Ok(Tick {
        code: format!("{code:06}"),
        time: OPENS + i64::from(round) * 3000,
        price,
        open: 10.0,
        high: price,
        low: 10.0,
        pre_close: 10.0,
        volume: f64::from(round) * 100.0,
        amount: f64::from(round) * 1000.0,
        open_interest: 0.0,
        upper_limit: 11.0,
        lower_limit: 9.0,
        trades: f64::from(round),
        bid_price1: bid,
        bid_volume1: 100.0,
        ask_price1: ask,
        ask_volume1: 100.0,
        bid_price2: -deep(-bid, 1),
        bid_volume2: 200.0,
        ask_price2: deep(ask, 1),
        ask_volume2: 200.0,
        bid_price3: -deep(-bid, 2),
        bid_volume3: 300.0,
        ask_price3: deep(ask, 2),
        ask_volume3: 300.0,
        bid_price4: -deep(-bid, 3),
        bid_volume4: 400.0,
        ask_price4: deep(ask, 3),
        ask_volume4: 400.0,
        bid_price5: -deep(-bid, 4),
        bid_volume5: 500.0,
        ask_price5: deep(ask, 4),
        ask_volume5: 500.0,
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://localhost".to_owned());
    let rows: u64 = arguments.next().map_or(Ok(800_000), |text| text.parse())?;
    let target = Target::parse("ticks", &url)?;
    let resource = Resource::new("ticks", ClickHouse::new(&target)?, Settings::default());
    resource.connect().await?;
    let group = Group::from(&resource);
    Table::ticks("ticks").create(&group).await?;

    // Of its own: what another run has left is not ours to insert.
    let folder = std::env::temp_dir().join(format!("qa-tick-load-{}", std::process::id()));
    let batcher = Batcher::builder(&group, "ticks")
        .options(BatchOptions { max_rows: 50_000, ..BatchOptions::default() })
        .spill(SpillOptions::new(&folder))
        .start()
        .await?;
    let began = Instant::now();
    for first in (0..rows).step_by(10_000) {
        let chunk: Vec<_> = (first..rows.min(first + 10_000)).map(tick).collect::<Result<_>>()?;
        batcher.push_all(chunk).await?;
    }
    let taken = began.elapsed();
    let report = batcher.close(Duration::from_secs(60)).await;
    let stored = began.elapsed();
    println!(
        "{rows} ticks of 33 columns: on the disk after {taken:.1?}, stored after {stored:.1?}"
    );
    println!("{report}");
    let queries = Queries::new(&group, QueryOptions::default());
    let sql = "SELECT uniqExact(code, time) FROM ticks";
    let distinct: u64 = queries.query(sql).fetch_one().await?;
    println!("{distinct} distinct ticks in the table");
    std::fs::remove_dir_all(&folder)?;
    println!("{}", resource.close(Duration::from_secs(5)).await);
    Ok(())
}

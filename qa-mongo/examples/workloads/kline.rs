//! The evening's daily bars: 5,000 stocks with one to five days each, upserted by stock and day.
//! Doing it twice, as after a kill in the middle, changes nothing.

use crate::{Failure, Work, bars, rate};
use qa_mongo::market::{self, DayBar};
use qa_mongo::{BulkOptions, MongoDb};
use qa_resource_core::Lease;
use std::time::{Duration, Instant};

const STOCKS: u32 = 5_000;

pub(crate) async fn run(work: &Work) -> Result<(), Failure> {
    let stocks = 0..work.scaled(STOCKS);
    let days = |stock: u32| (0..=stock % 5).map(move |day| bars::day(stock, day));
    let bars: Vec<_> = stocks.flat_map(days).collect();
    let index = async |lease: Lease<MongoDb>| {
        market::ensure_indexes::<DayBar>(&lease, Duration::from_secs(20)).await
    };
    work.resource.run_idempotent(index).await?;
    for round in ["first", "again"] {
        let begun = Instant::now();
        let upsert = async |lease: Lease<MongoDb>| {
            market::upsert(&lease, &bars, &BulkOptions::default()).await
        };
        let done = work.resource.run_idempotent(upsert).await?;
        println!(
            "{round}: {} inserted, {} there already, {} refused; {}",
            done.upserted,
            done.matched,
            done.errors.len(),
            rate(bars.len(), begun.elapsed())
        );
    }
    let lease = work.resource.acquire().await?;
    Ok(market::collection::<DayBar>(&lease).drop().await?)
}

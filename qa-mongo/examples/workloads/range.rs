//! A strategy's look back: a year of days of 1, 50, 500 and 5,000 stocks, and sixty days of minutes of
//! fifty, as streams with large batches.

use crate::{Failure, Work, bars, rate};
use futures_util::TryStreamExt;
use qa_mongo::market::{self, DayBar, MinuteBar, Stored};
use qa_mongo::mongodb::bson::Document;
use qa_mongo::{BulkOptions, MongoDb, documents};
use qa_resource_core::Lease;
use std::time::{Duration, Instant};

const STOCKS: u32 = 5_000;
const DAYS: u32 = 250;
const BATCH: u32 = 10_000;
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn run(work: &Work) -> Result<(), Failure> {
    let (stocks, days) = (work.scaled(STOCKS), work.scaled(DAYS));
    for stock in 0..stocks {
        store(work, (0..days).map(|day| bars::day(stock, day)).collect()).await?;
    }
    for share in [5_000, 100, 10, 1] {
        let codes: Vec<_> = (0..(stocks / share).max(1)).map(bars::code).collect();
        let codes: Vec<_> = codes.iter().map(String::as_str).collect();
        let filter = DayBar::between(&codes, &bars::date(0), &bars::date(days));
        read::<DayBar>(work, &format!("{} stocks, days", codes.len()), filter).await?;
    }
    let (stocks, minutes) = (work.scaled(50), work.scaled(60) * 240);
    for stock in 0..stocks {
        store(work, (0..minutes).map(|at| bars::minute(stock, at)).collect()).await?;
    }
    let codes: Vec<_> = (0..stocks).map(bars::code).collect();
    let codes: Vec<_> = codes.iter().map(String::as_str).collect();
    let filter = MinuteBar::between(&codes, "1min", &bars::date(0), &bars::date(minutes));
    read::<MinuteBar>(work, &format!("{} stocks, minutes", codes.len()), filter).await?;

    let lease = work.resource.acquire().await?;
    market::collection::<DayBar>(&lease).drop().await?;
    Ok(market::collection::<MinuteBar>(&lease).drop().await?)
}

async fn store<T: Stored>(work: &Work, bars: Vec<T>) -> Result<(), Failure> {
    let upsert = async |lease: Lease<MongoDb>| {
        market::ensure_indexes::<T>(&lease, LIMIT).await?;
        market::upsert(&lease, &bars, &BulkOptions::default()).await
    };
    work.resource.run_idempotent(upsert).await?;
    Ok(())
}

async fn read<T>(work: &Work, what: &str, filter: Document) -> Result<(), Failure>
where
    T: Stored + Unpin + 'static,
{
    let begun = Instant::now();
    let lease = work.resource.acquire().await?;
    let mut bars = documents(lease, LIMIT, async |client| {
        let bars = market::collection::<T>(&client);
        bars.find(filter).batch_size(BATCH).max_time(LIMIT).await
    })
    .await?;
    let mut count = 0;
    while bars.try_next().await?.is_some() {
        count += 1;
    }
    println!("{what}: {count} bars; {}", rate(count, begun.elapsed()));
    Ok(())
}

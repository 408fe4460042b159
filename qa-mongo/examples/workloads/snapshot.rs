//! The market as it is now: once a second the latest price of 5,000 stocks, into one collection.

use crate::{Failure, Work, bars};
use qa_mongo::mongodb::bson::{Document, doc};
use qa_mongo::{BulkOptions, MongoDb, bulk_upsert, ensure_unique_index};
use qa_resource_core::Lease;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

const STOCKS: u32 = 5_000;
const SECONDS: u32 = 30;
const KEY: [&str; 1] = ["code"];

pub(crate) async fn run(work: &Work) -> Result<(), Failure> {
    let index = async |lease: Lease<MongoDb>| {
        let realtime = MongoDb::database(&lease).collection::<Document>("realtime");
        ensure_unique_index(&realtime, &KEY, Duration::from_secs(20)).await
    };
    work.resource.run_idempotent(index).await?;
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut took = Vec::new();
    for second in 0..work.scaled(SECONDS) {
        ticks.tick().await;
        let quote = |stock: u32| {
            let price = 10.0 + f64::from((stock + second) % 100) / 100.0;
            doc! { "code": bars::code(stock), "price": price, "second": second }
        };
        let quotes: Vec<_> = (0..work.scaled(STOCKS)).map(quote).collect();
        let begun = Instant::now();
        let upsert = async |lease: Lease<MongoDb>| {
            let realtime = MongoDb::database(&lease).collection::<Document>("realtime");
            bulk_upsert(&realtime, &quotes, &KEY, &BulkOptions::default()).await
        };
        // The next second has newer ones: what fails now is not worth a retry of the whole.
        match work.resource.run_idempotent(upsert).await {
            Ok(_) => took.push(begun.elapsed()),
            Err(error) => println!("second {second}: {error}"),
        }
    }
    took.sort_unstable();
    let p99 = took.get((took.len() * 99).div_ceil(100).saturating_sub(1));
    println!("{} snapshots stored; p99 {:?}", took.len(), p99.copied().unwrap_or_default());
    let lease = work.resource.acquire().await?;
    Ok(MongoDb::database(&lease).collection::<Document>("realtime").drop().await?)
}

//! The original's example 9, `class QuantStrategy`: bars of a code from MongoDB, its signal kept in Redis
//! for 300 s, and read back. Its `cleanup()` closed the pool of everybody; here whoever made the pool
//! closes it.
//!
//! With `QA_MONGO_URL` and `QA_REDIS_URL` in the environment:
//! `cargo run -p qa-pool --features mongo,redis --example original_09_strategy`

use futures_util::TryStreamExt;
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::market::{self, DayBar};
use qa_pool::redis::Signals;
use qa_pool::{Config, Group, ResourcePool, Result};
use serde::{Deserialize, Serialize};

/// What a strategy needs, and nothing that it could close.
struct QuantStrategy {
    mongo: Group<MongoDb>,
    signals: Signals,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Signal {
    side: String,
    price: f64,
}

impl QuantStrategy {
    fn new(pool: &ResourcePool) -> Result<Self> {
        Ok(Self { mongo: pool.mongo()?, signals: Signals::new(pool.redis()?) })
    }

    /// The bars of a code from `first` to `last`, both included.
    async fn bars(&self, code: &str, first: &str, last: &str) -> Result<Vec<DayBar>> {
        let days = DayBar::between(&[code], first, last);
        self.mongo
            .run_idempotent(async |lease| {
                let found = market::collection::<DayBar>(&lease).find(days.clone()).await?;
                found.try_collect().await
            })
            .await
    }

    async fn decide(&self, code: &str, bars: &[DayBar]) -> Result<Option<Signal>> {
        let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Ok(None) };
        let side = if last.close > first.close { "buy" } else { "sell" };
        self.signals.publish(code, &Signal { side: side.to_owned(), price: last.close }).await?;
        self.signals.get(code).await
    }
}

#[tokio::main]
async fn main() -> std::result::Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    let pool = ResourcePool::from_config(&Config::from_env()?)?;
    let work = async |pool: ResourcePool| {
        let strategy = QuantStrategy::new(&pool)?;
        let bars = strategy.bars("000001", "2024-01-02", "2024-01-31").await?;
        println!("{} bars of 000001", bars.len());
        match strategy.decide("000001", &bars).await? {
            Some(Signal { side, price }) => println!("{side} at {price}"),
            None => println!("no signal"),
        }
        Ok::<_, qa_pool::Error>(())
    };
    Ok(qa_pool::run(pool, work).await)
}

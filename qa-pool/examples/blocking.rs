//! A script that is not async: it asks MongoDB for bars and leaves a signal in Redis, from its own thread
//! and from others.
//!
//! `QA_MONGO_URL=mongodb://localhost QA_REDIS_URL=redis://localhost \
//!     cargo run -p qa-pool --features blocking,mongo,redis --example blocking`

use qa_pool::blocking::ResourcePool;
use qa_pool::mongo::market::{self, DayBar};
use qa_pool::mongo::{BulkOptions, MongoDb, documents};
use qa_pool::redis::redis::AsyncTypedCommands;
use qa_pool::{Config, Error, Lease};
use std::thread;

const DAYS: u32 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    let pool = ResourcePool::from_config(&config)?;
    pool.connect()?;
    store(&pool)?;
    let close = mean(&pool)?;
    println!("000001 closed at {close:.2} on average over {DAYS} days");

    let redis = pool.redis()?;
    let threads = ["buy", "hold", "sell"].map(|signal| {
        let redis = redis.clone();
        thread::spawn(move || {
            let key = format!("signal:{signal}");
            redis.run(async |lease| lease.clone().set_ex(&key, signal, 300).await)
        })
    });
    for thread in threads {
        thread.join().map_err(|_| "a thread has panicked")??;
    }
    let lease = redis.acquire()?;
    let signal = redis.wait(async { lease.clone().get("signal:buy").await })??;
    println!("the signal is to {}", signal.unwrap_or_default());
    drop(lease);

    println!("{}", pool.close(config.shutdown_timeout)?);
    Ok(())
}

fn store(pool: &ResourcePool) -> Result<(), Error> {
    let bar = |day: u32| DayBar {
        code: "000001".to_owned(),
        date: format!("2018-01-{:02}", day + 1),
        close: 10.0 + f64::from(day) / 10.0,
        ..DayBar::default()
    };
    let bars: Vec<_> = (0..DAYS).map(bar).collect();
    let upsert =
        async |lease: Lease<MongoDb>| market::upsert(&lease, &bars, &BulkOptions::default()).await;
    pool.mongo()?.run_idempotent(upsert).map(drop)
}

/// Reads the bars one by one, as they come.
fn mean(pool: &ResourcePool) -> Result<f64, Box<dyn std::error::Error>> {
    let mongo = pool.mongo()?;
    let limit = mongo.settings().operation_timeout;
    let bars = documents(mongo.acquire()?, limit, async |client| {
        let month = DayBar::between(&["000001"], "2018-01-01", "2018-01-31");
        market::collection::<DayBar>(&client).find(month).max_time(limit).await
    });
    let (mut sum, mut count) = (0.0, 0);
    for bar in mongo.iterate(mongo.wait(bars)??) {
        sum += bar??.close;
        count += 1;
    }
    Ok(sum / f64::from(count.max(1)))
}

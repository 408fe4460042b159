//! The original's example 8, `get_mongo_resource()` and its three sisters: a resource from anywhere in
//! the program. Installed once, shared by all, and closed once, by `run`, also on a signal.
//!
//! With `QA_MONGO_URL`, `QA_AMQP_URL`, `QA_CLICKHOUSE_URL` and `QA_REDIS_URL` in the environment:
//! `cargo run -p qa-pool --features mongo,amqp,clickhouse,redis --example original_08_from_anywhere`

use qa_pool::mongo::MongoDb;
use qa_pool::redis::redis::AsyncCommands;
use qa_pool::{Config, ResourcePool, Result};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> std::result::Result<ExitCode, Box<dyn std::error::Error>> {
    let pool = ResourcePool::from_config(&Config::from_env()?)?;
    qa_pool::install(pool.clone())?;
    Ok(qa_pool::run(pool, async |_| everything().await).await)
}

/// Is handed nothing, and has all four.
async fn everything() -> Result<()> {
    let pool = qa_pool::global()?;
    let mongo = pool.mongo()?;
    let names =
        mongo.run(async |lease| MongoDb::database(&lease).list_collection_names().await).await?;
    println!("MongoDB has {} collections", names.len());
    let lease = pool.amqp()?.acquire().await?;
    println!("RabbitMQ takes messages: {}", lease.blocked().is_none());
    drop(lease);
    let clickhouse = pool.clickhouse()?;
    let version: String =
        clickhouse.run(async |lease| lease.query("SELECT version()").fetch_one().await).await?;
    println!("ClickHouse is version {version}");
    let redis = pool.redis()?;
    let () = redis.run(async |lease| lease.clone().set_ex("anywhere", "yes", 60).await).await?;
    let read: String = redis.run(async |lease| lease.clone().get("anywhere").await).await?;
    println!("Redis says {read}");
    Ok(())
}

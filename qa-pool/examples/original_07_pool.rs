//! The original's example 7, the pool: four resources, how each stands, a health check of all at once,
//! some work, and everything closed in order.
//!
//! With `QA_MONGO_URL`, `QA_AMQP_URL`, `QA_CLICKHOUSE_URL` and `QA_REDIS_URL` in the environment:
//! `cargo run -p qa-pool --features mongo,amqp,clickhouse,redis --example original_07_pool`

use qa_pool::mongo::MongoDb;
use qa_pool::{Config, ResourcePool};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    let pool = ResourcePool::from_config(&config)?;
    pool.connect().await?;
    for status in pool.status() {
        println!("{} ({}) is {}", status.name, status.system, status.state);
    }
    // All at once, each within its limit: a frozen server delays nobody else's answer.
    for (name, reading) in pool.health().await {
        println!("{name}: {}", reading.health);
    }
    let names = pool
        .mongo()?
        .run(async |lease| MongoDb::database(&lease).list_collection_names().await)
        .await?;
    println!("{} collections", names.len());
    println!("{}", pool.close(config.shutdown_timeout).await);
    Ok(())
}

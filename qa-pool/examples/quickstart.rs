//! The whole of a service's `main`: connect, work, shut down in order.
//!
//! `QA_REDIS_URL=redis://localhost cargo run -p qa-pool --features redis --example quickstart`

use qa_pool::redis::redis::AsyncTypedCommands;
use qa_pool::{Config, ResourcePool};

#[tokio::main]
async fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    let pool = ResourcePool::from_config(&Config::from_env()?)?;
    let redis = pool.redis()?;
    let work = async |_| {
        redis.run(async |lease| lease.clone().set_ex("signal:000001", "buy", 300).await).await?;
        let signal = redis.run(async |lease| lease.clone().get("signal:000001").await).await?;
        println!("000001: {}", signal.unwrap_or_default());
        Ok::<_, qa_pool::Error>(())
    };
    Ok(qa_pool::run(pool, work).await)
}

//! The original's example 6: `ping`, `set` with an expiry, `get`, a pipeline, `exists`, `delete`. Many
//! tasks may do this over the one connection at once, and no call is preceded by a ping.
//!
//! `cargo run -p qa-pool --features redis --example original_06_redis -- redis://localhost`

use qa_pool::core::{Resource, Target};
use qa_pool::redis::Redis;
use qa_pool::redis::redis::{AsyncCommands, pipe};
use qa_pool::{Result, Settings};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://localhost".to_owned());
    let redis =
        Resource::new("redis", Redis::new(&Target::parse("redis", &url)?)?, Settings::default());
    redis.connect().await?;
    println!("ping: {:?}", redis.check_now().await.health);

    let () =
        redis.run(async |lease| lease.clone().set_ex("test_key", "test_value", 60).await).await?;
    let value: String = redis.run(async |lease| lease.clone().get("test_key").await).await?;
    println!("test_key: {value}");

    let keys = ["key1", "key2", "key3"];
    let mut pipeline = pipe();
    for (number, key) in keys.iter().enumerate() {
        pipeline.set_ex(*key, format!("value{}", number + 1), 60).ignore();
    }
    let pipeline = &pipeline;
    let () = redis
        .run_idempotent(|lease| async move { pipeline.query_async(&mut lease.clone()).await })
        .await?;
    let there: u32 = redis.run(async |lease| lease.clone().exists(&keys).await).await?;
    println!("{there} keys are there");
    let all = ["test_key", "key1", "key2", "key3"];
    let deleted: u32 = redis.run(async |lease| lease.clone().del(&all).await).await?;
    println!("{deleted} keys deleted");
    println!("{}", redis.close(Duration::from_secs(5)).await);
    Ok(())
}

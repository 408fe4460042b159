//! A service with the backends that are built in, of which it asks each one thing: how large is it, and how long
//! does it build? `QA_REDIS_URL=redis://localhost ours`, and the like for the others, runs it.

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "clickhouse")]
mod clickhouse;
#[cfg(feature = "mongo")]
mod mongo;
#[cfg(feature = "redis")]
mod redis;

use qa_pool::{Config, ResourcePool};
use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

type Outcome = Result<(), Box<dyn Error>>;
type Once = for<'a> fn(&'a ResourcePool) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// What is asked of each.
const ALL: &[(&str, Once)] = &[
    #[cfg(feature = "mongo")]
    ("mongo", |pool| Box::pin(mongo::once(pool))),
    #[cfg(feature = "amqp")]
    ("amqp", |pool| Box::pin(amqp::once(pool))),
    #[cfg(feature = "clickhouse")]
    ("clickhouse", |pool| Box::pin(clickhouse::once(pool))),
    #[cfg(feature = "redis")]
    ("redis", |pool| Box::pin(redis::once(pool))),
];

#[tokio::main]
async fn main() -> Outcome {
    let pool = ResourcePool::from_config(&Config::from_env()?)?;
    pool.connect().await?;
    for (name, once) in ALL {
        once(&pool).await?;
        println!("{name} has answered");
    }
    println!("{}", pool.close(Duration::from_secs(10)).await);
    Ok(())
}

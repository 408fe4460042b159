//! What `ours` does, with the drivers alone.

#[cfg(feature = "bare-amqp")]
mod amqp;
#[cfg(feature = "bare-clickhouse")]
mod clickhouse;
#[cfg(feature = "bare-mongo")]
mod mongo;
#[cfg(feature = "bare-redis")]
mod redis;

use std::error::Error;
use std::pin::Pin;

type Outcome = Result<(), Box<dyn Error>>;
type Once = fn(String) -> Pin<Box<dyn Future<Output = Outcome>>>;

/// What is asked of each, and the variable that has its URL.
const ALL: &[(&str, Once)] = &[
    #[cfg(feature = "bare-mongo")]
    ("QA_MONGO_URL", |url| Box::pin(mongo::once(url))),
    #[cfg(feature = "bare-amqp")]
    ("QA_AMQP_URL", |url| Box::pin(amqp::once(url))),
    #[cfg(feature = "bare-clickhouse")]
    ("QA_CLICKHOUSE_URL", |url| Box::pin(clickhouse::once(url))),
    #[cfg(feature = "bare-redis")]
    ("QA_REDIS_URL", |url| Box::pin(redis::once(url))),
];

#[tokio::main]
async fn main() -> Outcome {
    for (variable, once) in ALL {
        once(std::env::var(variable)?).await?;
        println!("the server of {variable} has answered");
    }
    Ok(())
}

//! The original's example 2: `connect()`, `is_connected()`, some work, and `close()` whatever came of it.
//!
//! `cargo run -p qa-pool --features mongo --example original_02_mongo_by_hand -- mongodb://localhost`

use qa_pool::core::{Resource, Target};
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::mongodb::bson::{Document, doc};
use qa_pool::{Result, Settings, State};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mongodb://localhost".to_owned());
    let mongo =
        Resource::new("mongo", MongoDb::new(&Target::parse("mongo", &url)?)?, Settings::default());
    let counted = count(&mongo).await;
    // Whatever came of it. A close is final: no later call brings the connection back.
    println!("{}", mongo.close(Duration::from_secs(5)).await);
    println!("connected: {}", mongo.state() == State::Ready);
    println!("{} stocks", counted?);
    Ok(())
}

async fn count(mongo: &Resource<MongoDb>) -> Result<u64> {
    mongo.connect().await?;
    // No round trip: the supervisor pings in the background.
    println!("connected: {}", mongo.state() == State::Ready);
    mongo
        .run(async |lease| {
            let stocks = MongoDb::database(&lease).collection::<Document>("stock_list");
            stocks.count_documents(doc! {}).await
        })
        .await
}

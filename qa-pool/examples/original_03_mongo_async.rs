//! The original's example 3, `async_mode=True`, which never ran. Here everything is asynchronous: a
//! thousand questions go over one client at once.
//!
//! `cargo run -p qa-pool --features mongo --example original_03_mongo_async -- mongodb://localhost`

use futures_util::future::try_join_all;
use qa_pool::core::{Resource, Target};
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::market::{self, DayBar};
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::{Result, Settings};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mongodb://localhost".to_owned());
    let mongo =
        Resource::new("mongo", MongoDb::new(&Target::parse("mongo", &url)?)?, Settings::default());
    let found = try_join_all((0..1_000).map(|_| one(&mongo))).await?;
    println!("{} of {} found", found.iter().flatten().count(), found.len());
    println!("{} connect", mongo.status().stats.connects);
    println!("{}", mongo.close(Duration::from_secs(5)).await);
    Ok(())
}

async fn one(mongo: &Resource<MongoDb>) -> Result<Option<DayBar>> {
    mongo
        .run(async |lease| {
            market::collection::<DayBar>(&lease).find_one(doc! { "code": "000001" }).await
        })
        .await
}

//! The original's example 1, `with QAMongoResourceManager() as mongo`: a document, and the collections.
//! The scope is left by its end, a `?` or a panic; the guard closes the connection each time.
//!
//! `cargo run -p qa-pool --features mongo --example original_01_mongo_scope -- mongodb://localhost`

use qa_pool::core::{Resource, Target};
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::market::{self, DayBar};
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::{ResourcePool, Settings};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "mongodb://localhost".to_owned());
    let backend = MongoDb::new(&Target::parse("mongo", &url)?)?;
    let pool = ResourcePool::new();
    let mongo = pool.add(Resource::new("mongo", backend, Settings::default()))?;
    let _guard = pool.drop_guard(Duration::from_secs(10));

    // Connects by itself, because nobody has yet.
    let bar = mongo
        .run(async |lease| {
            market::collection::<DayBar>(&lease).find_one(doc! { "code": "000001" }).await
        })
        .await?
        .ok_or("there is no 000001 in stock_day")?;
    println!("{} closed at {} on {}", bar.code, bar.close, bar.date);
    let mut names =
        mongo.run(async |lease| MongoDb::database(&lease).list_collection_names().await).await?;
    names.sort();
    println!("collections: {}", names.join(", "));
    Ok(())
}

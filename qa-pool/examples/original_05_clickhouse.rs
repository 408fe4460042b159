//! The original's example 5: the server's version, and a query as a data frame, which here is Arrow's
//! record batches (`polars` and others take them as they are).
//!
//! `cargo run -p qa-pool --features clickhouse,arrow --example original_05_clickhouse -- http://localhost`

use qa_pool::clickhouse::arrow::arrow_array::RecordBatch;
use qa_pool::clickhouse::{ClickHouse, Queries, QueryOptions};
use qa_pool::core::{Resource, Target};
use qa_pool::{Result, Settings};
use std::time::Duration;

/// The server binds the parameter; nothing is pasted into a text.
const BARS: &str = "SELECT * FROM stock_day WHERE code = {code:String} LIMIT 10";

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://localhost".to_owned());
    let backend = ClickHouse::new(&Target::parse("clickhouse", &url)?)?;
    let clickhouse = Resource::new("clickhouse", backend, Settings::default());
    let queries = Queries::new(&clickhouse, QueryOptions::default());

    let version: String = queries.query("SELECT version()").fetch_one().await?;
    println!("version {version}");
    let batches: Vec<RecordBatch> =
        queries.query(BARS).param("code", "000001").arrow().await?.collect().await?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let columns = batches.first().map(RecordBatch::schema);
    let columns = columns.iter().flat_map(|schema| schema.fields());
    let names: Vec<_> = columns.map(|column| column.name().as_str()).collect();
    println!("{rows} rows of {}", names.join(", "));
    println!("{}", clickhouse.close(Duration::from_secs(5)).await);
    Ok(())
}

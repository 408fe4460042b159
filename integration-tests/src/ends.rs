//! What the service that ends in every way and its tests have in common.

use qa_pool::clickhouse::clickhouse::{self, Row as _};
use qa_pool::clickhouse::{BatchOptions, Batcher, ClickHouse, SpillOptions};
use qa_pool::{Group, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Rows in each of the two batchers.
pub const ROWS: u32 = 500;

/// Messages whose confirm the service has waited for.
pub const CONFIRMED: u32 = 200;

/// Messages that it has handed over without waiting.
pub const FORGOTTEN: u32 = 300;

/// A row of the tables `in_memory` and `spilled`.
#[derive(Clone, Copy, Debug, clickhouse::Row, Serialize, Deserialize)]
pub struct Row {
    /// Its number.
    pub number: u32,
}

impl Row {
    /// The statement that makes a table of such rows, anew.
    #[must_use]
    pub fn table(name: &str) -> String {
        let column = Self::COLUMN_NAMES[0];
        // A batch that was cut off in the middle may come again.
        let once = "SETTINGS non_replicated_deduplication_window = 100";
        let columns = format!("({column} UInt32) ENGINE = MergeTree ORDER BY {column}");
        format!("CREATE OR REPLACE TABLE {name} {columns} {once}")
    }
}

/// A batcher whose rows stay where they are until somebody asks for them to be stored.
///
/// # Errors
/// As [`qa_pool::clickhouse::BatcherBuilder::start`].
///
/// # Cancel safety
/// Nothing is started where this is dropped.
pub async fn batcher(
    group: &Group<ClickHouse>,
    table: &str,
    spill: Option<&Path>,
) -> Result<Batcher<Row>> {
    let never = Duration::from_secs(3600);
    let options = BatchOptions { max_age: never, ..BatchOptions::default() };
    let builder = Batcher::builder(group, table).options(options);
    match spill {
        Some(folder) => builder.spill(SpillOptions::new(folder)).start().await,
        None => builder.start().await,
    }
}

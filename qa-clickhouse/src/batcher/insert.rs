//! One attempt to insert one batch.

use clickhouse::error::Result;
use clickhouse::{Client, RowOwned, RowWrite};

/// Inserts `rows` as one block under `token`: done again with the same rows in the same order, the
/// server stores them once, if the table keeps track of that.
///
/// Rows are sent as they are encoded, in chunks of 256 KiB. The first insert into a table asks the
/// server for its columns; the client remembers them.
pub(super) async fn insert<T>(client: &Client, table: &str, rows: &[T], token: &str) -> Result<()>
where
    T: RowOwned + RowWrite + Sync,
{
    let block = rows.len().to_string();
    let mut insert = client
        .insert::<T>(table)
        .await?
        .with_setting("insert_deduplicate", "1")
        .with_setting("insert_deduplication_token", token)
        // The token is of the insert as a whole: it must be one block, and not wait in the server's
        // own buffer with the rows of others.
        .with_setting("async_insert", "0")
        .with_setting("max_insert_block_size", block.as_str())
        .with_setting("min_insert_block_size_rows", block.as_str())
        .with_setting("min_insert_block_size_bytes", "0");
    for row in rows {
        insert.write(row).await?;
    }
    insert.end().await
}

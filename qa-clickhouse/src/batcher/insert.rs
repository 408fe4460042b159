//! One attempt to insert one batch, or a part of it.

use super::kind::Rest;
use super::options::InsertMode;
use clickhouse::error::Result;
use clickhouse::{Client, Row, RowOwned, RowWrite};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// How a part goes into its table.
#[derive(Clone, Copy)]
pub(crate) struct How<'a> {
    pub(crate) table: &'a str,
    pub(crate) token: &'a str,
    pub(crate) mode: InsertMode,
    /// Whether the driver compares the rows with the table.
    pub(crate) checked: bool,
}

/// The client for an insert of so many rows as one block under a token.
///
/// The token is of the insert as a whole: it must be one block, and not wait in the server's own
/// buffer with the rows of others, unless that is wanted.
pub(crate) fn one_block(client: &Client, rows: usize, how: How<'_>) -> Client {
    let block = rows.to_string();
    let waits = if how.mode == InsertMode::Async { "1" } else { "0" };
    client
        .clone()
        .with_setting("insert_deduplicate", "1")
        .with_setting("insert_deduplication_token", how.token)
        .with_setting("async_insert", waits)
        .with_setting("wait_for_async_insert", "1")
        .with_setting("max_insert_block_size", block.as_str())
        .with_setting("min_insert_block_size_rows", block.as_str())
        .with_setting("min_insert_block_size_bytes", "0")
}

/// Begins to insert some of the rows as one block under the token: done again with the same rows in the
/// same order, the server stores them once, if the table keeps track of that.
///
/// Rows are sent as they are encoded, in chunks of 256 KiB, but for the last: the block is then not whole,
/// and the server stores nothing of it. The first insert into a table asks the server for its columns; the
/// client remembers them.
pub(super) async fn begin<T>(
    client: &Client,
    all: &Arc<Vec<T>>,
    part: Range<usize>,
    how: How<'_>,
) -> Result<Rest>
where
    T: RowOwned + RowWrite + Send + Sync + 'static,
{
    let client = one_block(client, part.len(), how).with_validation(how.checked);
    let mut insert = client.insert::<T>(how.table).await?;
    let last = part.end.saturating_sub(1).max(part.start);
    for row in &all[part.start..last] {
        insert.write(row).await?;
    }
    let all = Arc::clone(all);
    Ok(Box::pin(async move {
        for row in &all[last..part.end] {
            insert.write(row).await?;
        }
        insert.end().await
    }))
}

/// The types of a table's columns, by name.
pub(super) type Columns = BTreeMap<String, String>;

/// Asks for the columns of a table.
pub(super) async fn columns(client: &Client, table: &str) -> Result<Columns> {
    #[derive(Row, Deserialize)]
    struct Column {
        name: String,
        r#type: String,
    }
    let query = "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}";
    let columns = client.query(query).param("table", table).fetch_all::<Column>().await?;
    Ok(columns.into_iter().map(|column| (column.name, column.r#type)).collect())
}

/// Whether the columns of these names are what they were, whatever was added beside them.
pub(super) fn unchanged(names: &[&str], before: &Columns, now: &Columns) -> bool {
    names.iter().all(|name| before.contains_key(*name) && before.get(*name) == now.get(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_added_is_no_change() {
        let columns = |all: &[(&str, &str)]| -> Columns {
            all.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect()
        };
        let before = columns(&[("n", "UInt64"), ("code", "String"), ("gone", "Date")]);
        let added = columns(&[("n", "UInt64"), ("code", "String"), ("more", "Float64")]);
        assert!(unchanged(&["n", "code"], &before, &added));
        assert!(!unchanged(&["n", "gone"], &before, &added));
        assert!(!unchanged(&["n", "more"], &before, &added));
        assert!(!unchanged(&["n"], &before, &columns(&[("n", "UInt32")])));
        assert!(!unchanged(&["n"], &Columns::new(), &Columns::new()));
    }
}

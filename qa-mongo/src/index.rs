//! The index that an upsert by key needs.

use crate::limit::{invalid, within};
use mongodb::bson::Document;
use mongodb::error::Result;
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use std::time::Duration;

/// Makes sure that `collection` has a unique index on `fields`, ascending. Does nothing where it
/// is there already. `limit` bounds the building of the index, at the server and here.
///
/// # Errors
/// The driver's error, among others: an index of other options is in the way (codes 85 and 86), or
/// the collection holds duplicates already (11000).
///
/// # Cancel safety
/// When it is dropped, the server may still build the index.
pub async fn ensure_unique_index<T: Send + Sync>(
    collection: &Collection<T>,
    fields: &[&str],
    limit: Duration,
) -> Result<()> {
    if fields.is_empty() {
        return Err(invalid("an index needs at least one field"));
    }
    let keys: Document = fields.iter().map(|field| ((*field).to_owned(), 1.into())).collect();
    let options = IndexOptions::builder().unique(true).build();
    let index = IndexModel::builder().keys(keys).options(options).build();
    let create = async { collection.create_index(index).max_time(limit).await };
    within(limit.saturating_add(limit / 4), create).await.map(drop)
}

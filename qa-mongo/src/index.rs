//! Indexes that are there, or made.

use crate::codes::{INDEX_KEYS_CONFLICT, INDEX_OPTIONS_CONFLICT};
use crate::limit::{invalid, within};
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document};
use mongodb::error::{Error, ErrorKind, Result};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use std::time::Duration;

/// Makes sure that `collection` has a unique index on `fields`, ascending: [`ensure_index`] for what
/// an upsert by key needs.
///
/// # Errors
/// As [`ensure_index`].
///
/// # Cancel safety
/// When it is dropped, the server may still build the index.
pub async fn ensure_unique_index<T: Send + Sync>(
    collection: &Collection<T>,
    fields: &[&str],
    limit: Duration,
) -> Result<()> {
    let keys = fields.iter().map(|field| ((*field).to_owned(), 1.into())).collect();
    ensure_index(collection, keys, true, limit).await
}

/// Makes sure that `collection` has an index on `keys` (a field and 1 or -1 each, in their order).
/// Does nothing where it is there already. `limit` bounds the building of the index, at the server
/// and here.
///
/// # Errors
/// Of kind `Config` where another index is in the way (of the same fields and other options, or of
/// the same name), with its name and what it is; the driver's otherwise, among others where the
/// collection holds duplicates already (11000).
///
/// # Cancel safety
/// When it is dropped, the server may still build the index.
pub async fn ensure_index<T: Send + Sync>(
    collection: &Collection<T>,
    keys: Document,
    unique: bool,
    limit: Duration,
) -> Result<()> {
    if keys.is_empty() {
        return Err(invalid("an index needs at least one field"));
    }
    let options = IndexOptions::builder().unique(unique.then_some(true)).build();
    let index = IndexModel::builder().keys(keys.clone()).options(options).build();
    let work = async {
        match collection.create_index(index).max_time(limit).await {
            Err(error) if is_clash(&error) => Err(clash(collection, &keys, error).await),
            made => made.map(drop),
        }
    };
    within(limit.saturating_add(limit / 4), work).await
}

fn is_clash(error: &Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Command(error) if [INDEX_OPTIONS_CONFLICT, INDEX_KEYS_CONFLICT].contains(&error.code)
    )
}

/// What is in the way, or the driver's error where that can't be found out.
async fn clash<T: Send + Sync>(collection: &Collection<T>, keys: &Document, error: Error) -> Error {
    let there = async { collection.list_indexes().await?.try_collect::<Vec<_>>().await };
    let Ok(there) = there.await else { return error };
    let wanted = name(keys);
    let names = |index: &&IndexModel| {
        let named = index.options.as_ref().and_then(|options| options.name.as_deref());
        named == Some(&wanted) || name(&index.keys) == wanted
    };
    let Some(other) = there.iter().find(names) else { return error };
    let unique = other.options.as_ref().is_some_and(|options| options.unique == Some(true));
    invalid(format!(
        "`{}` can't have the index `{wanted}`: in its way is `{}`, which is {}; drop that one, or ask for the same",
        collection.name(),
        name(&other.keys),
        if unique { "unique" } else { "not unique, or has other options" },
    ))
}

/// The name that the drivers give an index, whichever type of number its keys have.
fn name(keys: &Document) -> String {
    let part = |(field, order): (&String, &Bson)| match order {
        Bson::Int32(order) => format!("{field}_{order}"),
        Bson::Int64(order) => format!("{field}_{order}"),
        Bson::Double(order) => format!("{field}_{order}"),
        Bson::String(kind) => format!("{field}_{kind}"),
        other => format!("{field}_{other}"),
    };
    keys.iter().map(part).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    #[test]
    fn a_name_does_not_depend_on_the_type_of_its_numbers() {
        for keys in [doc! { "a": 1, "b": -1 }, doc! { "a": 1_i64, "b": -1.0 }] {
            assert_eq!(name(&keys), "a_1_b_-1");
        }
        assert_eq!(name(&doc! { "text": "2dsphere" }), "text_2dsphere");
    }
}

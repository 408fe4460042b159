//! Cutting many upserts into commands that the server takes.

use crate::bulk::BulkError;
use mongodb::bson::{self, Document, RawDocumentBuf, doc, serialize_to_document};
use serde::Serialize;

/// The server takes commands of 16 MiB; this leaves room for what stands around the entries.
const CHUNK_BYTES: usize = 12 * 1024 * 1024;

/// The server's code for a value that it can't use.
const BAD_VALUE: i32 = 2;

/// One document on its way: where it stood in what the caller gave, and the command's entry for it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) index: usize,
    pub(crate) update: RawDocumentBuf,
    /// Whether it was already sent again because somebody inserted the same key at the same time.
    pub(crate) again: bool,
}

impl Entry {
    /// The entry for a document, or why there can be none.
    pub(crate) fn new(
        index: usize,
        document: &impl Serialize,
        key: &[&str],
    ) -> Result<Self, BulkError> {
        let refuse = |message: String| BulkError { index, code: BAD_VALUE, message };
        let unfit = |error: bson::error::Error| refuse(error.to_string());
        let set = serialize_to_document(document).map_err(unfit)?;
        let query = query(&set, key).map_err(refuse)?;
        let entry = doc! { "q": query, "u": update(set, key), "upsert": true };
        let update = RawDocumentBuf::try_from(&entry).map_err(unfit)?;
        Ok(Self { index, update, again: false })
    }
}

fn query(document: &Document, key: &[&str]) -> Result<Document, String> {
    let mut query = Document::new();
    for field in key {
        let Some(value) = document.get(field) else {
            return Err(format!("the document has no field `{field}`, which is in the key"));
        };
        // A bare document or regular expression in a query is not compared for equality.
        query.insert(*field, doc! { "$eq": value.clone() });
    }
    Ok(query)
}

fn update(mut set: Document, key: &[&str]) -> Document {
    // An `_id` can't change, so it is only for a document that is not there yet.
    let id = if key.contains(&"_id") { None } else { set.remove("_id") };
    let mut update = doc! { "$set": set };
    if let Some(id) = id {
        update.insert("$setOnInsert", doc! { "_id": id });
    }
    update
}

/// Cuts entries into chunks of at most `limit` documents and 12 MiB, in order.
pub(crate) fn chunks(entries: Vec<Entry>, limit: usize) -> Vec<Vec<Entry>> {
    let mut chunks: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.update.as_bytes().len();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < limit.max(1) && bytes + size <= CHUNK_BYTES => {
                bytes += size;
                chunk.push(entry);
            }
            _ => {
                bytes = size;
                chunks.push(vec![entry]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: usize, bytes: usize) -> Entry {
        let document = doc! { "k": i64::try_from(index).unwrap(), "pad": "x".repeat(bytes) };
        Entry::new(index, &document, &["k"]).unwrap()
    }

    #[test]
    fn chunks_keep_the_order_and_both_limits() {
        let lengths = |chunks: &[Vec<Entry>]| chunks.iter().map(Vec::len).collect::<Vec<_>>();
        let by_number = chunks((0..25).map(|at| entry(at, 1)).collect(), 10);
        assert_eq!(lengths(&by_number), [10, 10, 5]);
        let order: Vec<_> = by_number.iter().flatten().map(|entry| entry.index).collect();
        assert_eq!(order, (0..25).collect::<Vec<_>>());
        let by_size = chunks((0..5).map(|at| entry(at, 5 * 1024 * 1024)).collect(), 1000);
        assert_eq!(lengths(&by_size), [2, 2, 1]);
        assert_eq!(lengths(&chunks((0..2).map(|at| entry(at, 1)).collect(), 0)), [1, 1]);
        assert!(chunks(Vec::new(), 10).is_empty());
    }

    #[test]
    fn an_entry_upserts_by_its_key_and_never_changes_an_id() {
        let document = doc! { "_id": 7, "code": "GOOG", "date": { "y": 2004 }, "close": 1.5 };
        let entry = Entry::new(0, &document, &["code", "date"]).unwrap();
        let expected = doc! {
            "q": { "code": { "$eq": "GOOG" }, "date": { "$eq": { "y": 2004 } } },
            "u": {
                "$set": { "code": "GOOG", "date": { "y": 2004 }, "close": 1.5 },
                "$setOnInsert": { "_id": 7 },
            },
            "upsert": true,
        };
        assert_eq!(Document::try_from(entry.update).unwrap(), expected);
        let by_id = Entry::new(0, &document, &["_id"]).unwrap();
        let update = Document::try_from(by_id.update).unwrap();
        assert!(update.get_document("u").unwrap().get("$setOnInsert").is_none());
    }

    #[test]
    fn a_document_without_its_key_is_an_error_of_that_document() {
        let error = Entry::new(3, &doc! { "code": "GOOG" }, &["code", "date"]).err().unwrap();
        assert_eq!((error.index, error.code), (3, 2));
        assert!(error.message.contains("`date`"), "{}", error.message);
    }
}

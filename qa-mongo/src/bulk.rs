//! Many documents in, each inserted or updated by its key.

use crate::chunk::{Entry, chunks};
use crate::codes::DUPLICATE_KEY;
use crate::limit::{invalid, within};
use crate::waits::timed;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawArrayBuf, RawDocumentBuf, deserialize_from_bson, rawdoc};
use mongodb::error::{Error, ErrorKind, Result, WriteFailure};
use serde::Serialize;
use std::time::Duration;

/// How [`bulk_upsert`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkOptions {
    /// Whether to stop at the first document that fails; otherwise the others are still written.
    /// Default: false.
    pub ordered: bool,
    /// Documents in one command; 0 counts as 1. Default: 1000.
    pub chunk: usize,
    /// Limit for one command, at the server (`maxTimeMS`, `wtimeout`) and here. Default: 10 s.
    pub chunk_timeout: Duration,
}

impl Default for BulkOptions {
    fn default() -> Self {
        Self { ordered: false, chunk: 1000, chunk_timeout: Duration::from_secs(10) }
    }
}

/// What [`bulk_upsert`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkUpsert {
    /// Documents that were there already.
    pub matched: u64,
    /// Those of them that were changed.
    pub modified: u64,
    /// Documents that were inserted.
    pub upserted: u64,
    /// Documents that the server refused, by their place in the input.
    pub errors: Vec<BulkError>,
    /// What became of each document of the input, in its order.
    pub results: Vec<Written>,
}

/// What became of one document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// It was not sent: an ordered run had stopped before it.
    #[default]
    NotTried,
    /// It was not there, and is now.
    Inserted,
    /// It was there, and is now as the input has it.
    Updated,
    /// It was not written; [`BulkUpsert::errors`] says why.
    Refused,
}

/// A document that was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkError {
    /// Its place in the input.
    pub index: usize,
    /// The server's error code.
    pub code: i32,
    /// The server's message.
    pub message: String,
}

/// Writes `documents`, each by its `key`: the fields of a document that is there already are set,
/// and one that is not there is inserted. Fields that a stored document has beyond that stay.
///
/// The writes are acknowledged by a majority and are in its journal. Running it again with the same
/// documents gives the same data, so it may be repeated whenever its outcome is unknown
/// ([`Resource::run_idempotent`](qa_resource_core::Resource::run_idempotent) does). Have a unique
/// index on `key` ([`ensure_unique_index`](crate::ensure_unique_index)): it makes this fast, and it
/// keeps two writers of the same key from inserting it twice; the loser of such a race is sent once
/// more, and then updates.
///
/// `key` names fields of the documents' top level. An `_id` in a document is used only where the
/// document is inserted.
///
/// # Errors
/// The driver's error as soon as a command fails as a whole or its write concern is not met; the
/// chunks before it are written. What is wrong with single documents is in [`BulkUpsert::errors`].
///
/// # Cancel safety
/// When it is dropped, the chunks that were sent are written, or will be.
pub async fn bulk_upsert<T>(
    collection: &Collection<T>,
    documents: &[T],
    key: &[&str],
    options: &BulkOptions,
) -> Result<BulkUpsert>
where
    T: Serialize + Send + Sync,
{
    if key.is_empty() {
        return Err(invalid("an upsert needs at least one field as its key"));
    }
    let results = vec![Written::NotTried; documents.len()];
    let mut done = BulkUpsert { results, ..BulkUpsert::default() };
    let mut entries = Vec::with_capacity(documents.len());
    for (index, document) in documents.iter().enumerate() {
        match Entry::new(index, document, key) {
            Ok(entry) => entries.push(entry),
            Err(error) => done.refuse(error),
        }
        if options.ordered && !done.errors.is_empty() {
            break;
        }
    }
    for chunk in chunks(entries, options.chunk) {
        let complete = write_chunk(collection, chunk, options, &mut done).await?;
        if options.ordered && !complete {
            break;
        }
    }
    done.errors.sort_by_key(|error| error.index);
    Ok(done)
}

/// Writes a chunk, and once more those of it that lost a race. Says whether all of it is written.
async fn write_chunk<T: Send + Sync>(
    collection: &Collection<T>,
    mut chunk: Vec<Entry>,
    options: &BulkOptions,
    done: &mut BulkUpsert,
) -> Result<bool> {
    let mut complete = true;
    while !chunk.is_empty() {
        let answer = send(collection, &chunk, options).await?;
        done.count(&answer);
        let failed = write_errors(&answer);
        let first = failed.first().map_or(chunk.len(), |(at, _)| *at);
        done.note(&answer, if options.ordered { &chunk[..first.min(chunk.len())] } else { &chunk });
        // In order, the server has not looked at what stands behind the first error.
        let mut rest = if options.ordered {
            chunk.split_off((first + 1).min(chunk.len()))
        } else {
            Vec::new()
        };
        let mut next = Vec::new();
        for (at, mut error) in failed {
            let Some(entry) = chunk.get(at) else { continue };
            if error.code == DUPLICATE_KEY && !entry.again {
                next.push(Entry { again: true, ..entry.clone() });
                continue;
            }
            error.index = entry.index;
            done.refuse(error);
            complete = false;
            if options.ordered {
                rest.clear();
            }
        }
        next.append(&mut rest);
        chunk = next;
    }
    Ok(complete)
}

/// Sends one `update` command. Unlike the client's bulk write, servers before 8.0 know it.
async fn send<T: Send + Sync>(
    collection: &Collection<T>,
    chunk: &[Entry],
    options: &BulkOptions,
) -> Result<Document> {
    let limit = options.chunk_timeout;
    let command = command(collection.name(), chunk, options.ordered, limit);
    let database = collection.client().database(&collection.namespace().db);
    // The server is to give up first: then we know that it did.
    let answer = timed(database.run_raw_command(command).into_future());
    let answer = within(limit.saturating_add(limit / 4), answer).await?;
    match answer.get("writeConcernError") {
        None => Ok(answer),
        Some(concern) => {
            let concern = deserialize_from_bson(concern.clone())?;
            Err(Error::from(ErrorKind::Write(WriteFailure::WriteConcernError(concern))))
        }
    }
}

fn command(collection: &str, chunk: &[Entry], ordered: bool, limit: Duration) -> RawDocumentBuf {
    let updates: RawArrayBuf = chunk.iter().map(|entry| entry.update.clone()).collect();
    let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX).clamp(1, i64::from(i32::MAX));
    rawdoc! {
        "update": collection,
        "ordered": ordered,
        "maxTimeMS": limit,
        "writeConcern": { "w": "majority", "j": true, "wtimeout": limit },
        "updates": updates,
    }
}

impl BulkUpsert {
    fn count(&mut self, answer: &Document) {
        let number = |field| u64::try_from(integer(answer, field)).unwrap_or(0);
        let upserted = answer.get_array("upserted").map_or(0, Vec::len) as u64;
        self.upserted += upserted;
        self.matched += number("n").saturating_sub(upserted);
        self.modified += number("nModified");
    }

    /// Notes the results of entries that were tried; those that failed are noted after it.
    fn note(&mut self, answer: &Document, tried: &[Entry]) {
        for entry in tried {
            self.results[entry.index] = Written::Updated;
        }
        let inserted = answer.get_array("upserted").map(Vec::as_slice).unwrap_or_default();
        for one in inserted.iter().filter_map(Bson::as_document) {
            let at = usize::try_from(integer(one, "index")).ok();
            if let Some(entry) = at.and_then(|at| tried.get(at)) {
                self.results[entry.index] = Written::Inserted;
            }
        }
    }

    fn refuse(&mut self, error: BulkError) {
        self.results[error.index] = Written::Refused;
        self.errors.push(error);
    }
}

/// The errors of single documents, by their place in the chunk.
fn write_errors(answer: &Document) -> Vec<(usize, BulkError)> {
    let errors = answer.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
    let parse = |error: &Document| {
        let at = usize::try_from(integer(error, "index")).unwrap_or(usize::MAX);
        let code = i32::try_from(integer(error, "code")).unwrap_or(0);
        let message = error.get_str("errmsg").unwrap_or_default().to_owned();
        (at, BulkError { index: at, code, message })
    };
    errors.iter().filter_map(Bson::as_document).map(parse).collect()
}

/// A number, whichever of its types the server chose.
fn integer(answer: &Document, field: &str) -> i64 {
    let value = answer.get(field);
    let wide = value.and_then(Bson::as_i64);
    wide.or_else(|| value.and_then(Bson::as_i32).map(i64::from)).unwrap_or(0)
}

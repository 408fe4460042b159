//! A backfill of minutes: eight workers, each with inserts of 20,800 documents, in no order. A
//! document's `_id` is made of what it is, so that an insert whose outcome is unknown (the primary
//! stepped down) is done again, and what was stored already is not stored twice.

use crate::{Failure, Work, bars, rate};
use qa_mongo::MongoDb;
use qa_mongo::market::MinuteBar;
use qa_mongo::mongodb::Collection;
use qa_mongo::mongodb::bson::{Document, doc, serialize_to_document};
use qa_mongo::mongodb::error::{Error, ErrorKind, Result};
use qa_resource_core::Lease;
use std::time::Instant;
use tokio::task::JoinSet;

const WORKERS: u32 = 8;
const INSERTS: u32 = 2;
const DOCUMENTS: u32 = 20_800;
const DUPLICATE_KEY: i32 = 11000;

fn backfill(lease: &Lease<MongoDb>) -> Collection<Document> {
    MongoDb::database(lease).collection("backfill")
}

pub(crate) async fn run(work: &Work) -> std::result::Result<(), Failure> {
    let documents = work.scaled(DOCUMENTS);
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for stock in 0..WORKERS {
        let resource = work.resource.clone();
        workers.spawn(async move {
            for part in 0..INSERTS {
                let minutes = part * documents..(part + 1) * documents;
                let batch = minutes.map(|at| with_id(&bars::minute(stock, at)));
                let batch = batch.collect::<Result<Vec<_>>>()?;
                let insert = async |lease: Lease<MongoDb>| {
                    backfill(&lease)
                        .insert_many(&batch)
                        .ordered(false)
                        .await
                        .map(drop)
                        .or_else(known)
                };
                resource.run_idempotent(insert).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    let took = begun.elapsed();
    let lease = work.resource.acquire().await?;
    let stored = backfill(&lease).count_documents(doc! {}).await?;
    let all = WORKERS * INSERTS * documents;
    println!("{stored} of {all} stored; {}", rate(usize::try_from(stored)?, took));
    Ok(backfill(&lease).drop().await?)
}

fn with_id(bar: &MinuteBar) -> Result<Document> {
    let mut document = doc! { "_id": format!("{} {} {}", bar.code, bar.frequency, bar.datetime) };
    document.extend(serialize_to_document(bar)?);
    Ok(document)
}

/// Nothing, where all that was refused is stored already.
fn known(error: Error) -> Result<()> {
    let ErrorKind::InsertMany(many) = &*error.kind else { return Err(error) };
    let refused = many.write_errors.as_deref().unwrap_or_default();
    let all_known = refused.iter().all(|one| one.code == DUPLICATE_KEY);
    if all_known && many.write_concern_error.is_none() { Ok(()) } else { Err(error) }
}

//! The same round with the driver alone, with the same guarantees: what is upserted is acknowledged by a
//! majority and in its journal.

use super::data::{BATCH, CHUNK, Data, LIMIT, Workload};
use anyhow::{Result, bail};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mongodb::Database;
use mongodb::bson::{Document, doc, serialize_to_document};
use mongodb::options::WriteConcern;
use qa_mongo::market::{DayBar, MinuteBar, QifiAccount, Stored};
use qa_mongo::mongodb;
use serde::Serialize;

/// Does it, and says how many documents that were.
pub(super) async fn round(workload: Workload, database: &Database, data: &Data) -> Result<usize> {
    match workload {
        Workload::Kline => {
            for _ in 0..2 {
                upsert(database, "stock_day", &data.days, &["code", "date"]).await?;
            }
            Ok(2 * data.days.len())
        }
        Workload::Minutes => {
            let insert = |minutes: &Vec<MinuteBar>| {
                let minutes = minutes.clone();
                let bars = database.collection::<MinuteBar>("stock_min");
                tokio::spawn(async move { bars.insert_many(&minutes).ordered(false).await })
            };
            for ended in try_join_all(data.minutes.iter().map(insert)).await? {
                ended?;
            }
            Ok(data.minutes.iter().map(Vec::len).sum())
        }
        Workload::Snapshot => {
            upsert(database, "realtime", &data.quotes, &["code"]).await?;
            Ok(data.quotes.len())
        }
        Workload::Range => {
            let days = database.collection::<DayBar>("stock_day");
            let mut bars = days.find(data.year()).batch_size(BATCH).max_time(LIMIT).await?;
            let mut count = 0;
            while bars.try_next().await?.is_some() {
                count += 1;
            }
            Ok(count)
        }
        Workload::Accounts => {
            try_join_all(data.accounts.iter().map(|one| write(database, one))).await?;
            Ok(2 * data.accounts.len())
        }
    }
}

/// The driver has no bulk write for one collection that servers before 8.0 know: it is the command.
async fn upsert<T: Serialize>(
    database: &Database,
    collection: &str,
    documents: &[T],
    key: &[&str],
) -> Result<()> {
    for chunk in documents.chunks(CHUNK) {
        let mut updates = Vec::with_capacity(chunk.len());
        for document in chunk {
            let set = serialize_to_document(document)?;
            let mut query = Document::new();
            for field in key {
                query.insert(*field, set.get(field).cloned());
            }
            updates.push(doc! { "q": query, "u": { "$set": set }, "upsert": true });
        }
        let command = doc! {
            "update": collection,
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
            "updates": updates,
        };
        let answer = database.run_command(command).await?;
        if answer.contains_key("writeErrors") {
            bail!("an upsert was refused");
        }
    }
    Ok(())
}

async fn write(database: &Database, account: &QifiAccount) -> Result<()> {
    let key = doc! { "account_cookie": &account.account_cookie };
    let set = doc! { "$set": serialize_to_document(account)? };
    let safe = WriteConcern::builder().w(Some("majority".into())).journal(true).build();
    let accounts = database.collection::<Document>(QifiAccount::COLLECTION);
    accounts.update_one(key, set).upsert(true).write_concern(safe).await?;
    let line = doc! { "$set": { "line": "x".repeat(1_000) } };
    let history = database.collection::<Document>("history");
    history.update_one(doc! { "_id": &account.account_cookie }, line).upsert(true).await?;
    Ok(())
}

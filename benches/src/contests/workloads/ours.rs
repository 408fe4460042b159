//! A round through us, as a service would write it.

use super::data::{BATCH, Data, LIMIT, Workload};
use anyhow::Result;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mongodb::bson::{Document, doc};
use qa_mongo::market::{self, DayBar, MinuteBar, QifiAccount};
use qa_mongo::{BulkOptions, MongoDb, Resource, bulk_upsert, documents, mongodb};
use qa_pool::Lease;

/// Does it, and says how many documents that were.
pub(super) async fn round(
    workload: Workload,
    resource: &Resource<MongoDb>,
    data: &Data,
) -> Result<usize> {
    match workload {
        Workload::Kline => {
            for _ in 0..2 {
                let upsert = async |lease: Lease<MongoDb>| {
                    market::upsert(&lease, &data.days, &BulkOptions::default()).await
                };
                resource.run_idempotent(upsert).await?;
            }
            Ok(2 * data.days.len())
        }
        Workload::Minutes => {
            let insert = |minutes: &Vec<MinuteBar>| {
                let minutes = minutes.clone();
                let resource = resource.clone();
                tokio::spawn(async move {
                    let insert = async |lease: Lease<MongoDb>| {
                        let bars = market::collection::<MinuteBar>(&lease);
                        bars.insert_many(&minutes).ordered(false).await.map(drop)
                    };
                    resource.run(insert).await
                })
            };
            for ended in try_join_all(data.minutes.iter().map(insert)).await? {
                ended?;
            }
            Ok(data.minutes.iter().map(Vec::len).sum())
        }
        Workload::Snapshot => {
            let upsert = async |lease: Lease<MongoDb>| {
                let realtime = MongoDb::database(&lease).collection::<Document>("realtime");
                bulk_upsert(&realtime, &data.quotes, &["code"], &BulkOptions::default()).await
            };
            resource.run_idempotent(upsert).await?;
            Ok(data.quotes.len())
        }
        Workload::Range => range(resource, data).await,
        Workload::Accounts => {
            let write = |one| write(resource, one);
            try_join_all(data.accounts.iter().map(write)).await?;
            Ok(2 * data.accounts.len())
        }
    }
}

async fn range(resource: &Resource<MongoDb>, data: &Data) -> Result<usize> {
    let lease = resource.acquire().await?;
    let mut bars = documents(lease, LIMIT, async |client| {
        let days = market::collection::<DayBar>(&client);
        days.find(data.year()).batch_size(BATCH).max_time(LIMIT).await
    })
    .await?;
    let mut count = 0;
    while bars.try_next().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

async fn write(resource: &Resource<MongoDb>, account: &QifiAccount) -> qa_pool::Result<()> {
    let write = async |lease: Lease<MongoDb>| {
        let account = std::slice::from_ref(account);
        market::upsert(&lease, account, &BulkOptions::default()).await?;
        let history = MongoDb::database(&lease).collection::<Document>("history");
        let line = doc! { "$set": { "line": "x".repeat(1_000) } };
        let id = doc! { "_id": &account[0].account_cookie };
        history.update_one(id, line).upsert(true).await.map(drop)
    };
    resource.run_idempotent(write).await
}

//! Accounts in the QIFI format: a hundred of 22 KB are written every five seconds, each with a line of
//! 1 KB for its history, and now and then one of 212 KB.

use crate::account::{self, ORDERS};
use crate::{Failure, Work, rate};
use futures_util::future::try_join_all;
use qa_mongo::market::{self, QifiAccount};
use qa_mongo::mongodb::bson::{Document, doc};
use qa_mongo::{BulkOptions, MongoDb};
use qa_resource_core::Lease;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

const ACCOUNTS: u32 = 100;
const ROUNDS: u32 = 6;
const EVERY: Duration = Duration::from_secs(5);
/// The orders of an account that has traded a lot.
const MANY_ORDERS: u32 = 960;

pub(crate) async fn run(work: &Work) -> Result<(), Failure> {
    let index = async |lease: Lease<MongoDb>| {
        market::ensure_indexes::<QifiAccount>(&lease, Duration::from_secs(20)).await
    };
    work.resource.run_idempotent(index).await?;
    let mut ticks = interval(EVERY.mul_f64(work.scale.clamp(0.001, 1.0)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let accounts = work.scaled(ACCOUNTS);
    for round in 0..ROUNDS {
        ticks.tick().await;
        let begun = Instant::now();
        try_join_all((0..accounts).map(|at| write(work, at, round))).await?;
        println!(
            "round {round}: {accounts} accounts; {}",
            rate(accounts as usize, begun.elapsed())
        );
    }
    let lease = work.resource.acquire().await?;
    let stored = market::collection::<QifiAccount>(&lease).count_documents(doc! {}).await?;
    let lines = history(&lease).count_documents(doc! {}).await?;
    println!("{stored} accounts with {lines} lines of history");
    history(&lease).drop().await?;
    Ok(market::collection::<QifiAccount>(&lease).drop().await?)
}

fn history(lease: &Lease<MongoDb>) -> qa_mongo::mongodb::Collection<Document> {
    MongoDb::database(lease).collection("history")
}

/// The account, and its line: done twice they are there once.
async fn write(work: &Work, at: u32, round: u32) -> qa_resource_core::Result<()> {
    let orders = if at == 0 && round % 3 == 2 { MANY_ORDERS } else { ORDERS };
    let account = [account::account(at, round, orders)];
    let id = format!("{} {round}", account[0].account_cookie);
    let line = doc! { "$set": { "line": "x".repeat(1_000) } };
    let write = async |lease: Lease<MongoDb>| {
        market::upsert(&lease, &account, &BulkOptions::default()).await?;
        history(&lease).update_one(doc! { "_id": &id }, line.clone()).upsert(true).await.map(drop)
    };
    work.resource.run_idempotent(write).await
}

//! Transactions: all or nothing, in time.

mod common;

use common::{PATIENCE, shared, target};
use futures_util::future::join_all;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::{Client, Collection};
use qa_mongo::{MongoDb, mongodb, with_transaction};
use qa_resource_core::{Backend, Class, ErrorKind, Lease, Resource, Settings};
use qa_servers::cluster::MongoReplicaSet;
use qa_servers::testing::within;
use std::future::pending;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

fn accounts(client: &Client, name: &str) -> Collection<Document> {
    MongoDb::database(client).collection(name)
}

/// A resource, and an empty collection.
async fn bank(url: &str, name: &str) -> (Resource<MongoDb>, Collection<Document>) {
    let mongo = MongoDb::new(&target(name, url)).unwrap();
    let settings = Settings { operation_timeout: LIMIT * 2, ..Settings::default() };
    let bank = Resource::new(name, mongo, settings);
    bank.connect().await.unwrap();
    let accounts = accounts(&bank.acquire().await.unwrap(), name);
    accounts.drop().await.unwrap();
    accounts.insert_one(doc! { "_id": -1, "cash": 0 }).await.unwrap();
    (bank, accounts)
}

async fn sum(accounts: &Collection<Document>) -> i64 {
    let group = doc! { "$group": { "_id": null, "sum": { "$sum": "$cash" } } };
    let mut sums = accounts.aggregate([group]).with_type::<Document>().await.unwrap();
    assert!(sums.advance().await.unwrap());
    i64::from(sums.deserialize_current().unwrap().get_i32("sum").unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_that_meet_each_other_are_tried_again_and_keep_the_sum() {
    let (bank, all) = bank(&shared().await.url(), "transfers").await;
    all.insert_many((0..3).map(|id| doc! { "_id": id, "cash": 100 })).await.unwrap();
    let tasks = (0..6).map(|task| {
        let bank = bank.clone();
        tokio::spawn(async move {
            for turn in 0..5 {
                let (from, to) = ((task + turn) % 3, (task + turn + 1) % 3);
                let transfer = async |lease: Lease<MongoDb>| {
                    let accounts = accounts(&lease, "transfers");
                    with_transaction(&lease, LIMIT, accounts, |session, accounts| {
                        Box::pin(async move {
                            for (id, change) in [(from, -7), (to, 7)] {
                                let update = doc! { "$inc": { "cash": change } };
                                let one = accounts.update_one(doc! { "_id": id }, update);
                                one.session(&mut *session).await?;
                            }
                            Ok(())
                        })
                    })
                    .await
                };
                bank.run(transfer).await.unwrap();
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    assert_eq!(sum(&all).await, 300);
    assert!(bank.close(PATIENCE).await.is_clean());
}

#[tokio::test]
async fn an_error_of_the_work_undoes_all_of_it() {
    let (bank, all) = bank(&shared().await.url(), "undone").await;
    let lease = bank.acquire().await.unwrap();
    let changes_its_mind = with_transaction(&lease, LIMIT, &all, |session, all| {
        Box::pin(async move {
            all.insert_one(doc! { "_id": 1 }).session(&mut *session).await?;
            Err::<(), _>(Error::custom("changed my mind"))
        })
    });
    let error = changes_its_mind.await.unwrap_err();
    assert_eq!(error.get_custom::<&str>(), Some(&"changed my mind"));
    assert_eq!(all.count_documents(doc! { "_id": 1 }).await.unwrap(), 0);
}

#[tokio::test]
async fn one_that_takes_too_long_or_is_dropped_is_aborted() {
    let (bank, all) = bank(&shared().await.url(), "aborted").await;
    let lease = bank.acquire().await.unwrap();
    let stuck = |limit| {
        with_transaction(&lease, limit, &all, |session, all| {
            Box::pin(async move {
                all.insert_one(doc! { "_id": 1 }).session(&mut *session).await?;
                pending::<mongodb::error::Result<()>>().await
            })
        })
    };
    // What it has written would be in the way of whoever comes next for a minute.
    let insert = async || {
        let begun = Instant::now();
        all.insert_one(doc! { "_id": 1 }).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        all.delete_one(doc! { "_id": 1 }).await.unwrap();
    };
    let limit = Duration::from_millis(500);
    let begun = Instant::now();
    let error = stuck(limit).await.unwrap_err();
    assert!(begun.elapsed() < limit * 2, "{:?}", begun.elapsed());
    assert_eq!(MongoDb::classify(&error), Class::not_applied(ErrorKind::Timeout), "{error}");
    insert().await;
    tokio::time::timeout(limit, stuck(LIMIT)).await.unwrap_err();
    insert().await;
    drop(lease);
    assert!(bank.close(PATIENCE).await.is_clean());
}

#[tokio::test]
async fn a_change_of_primary_in_the_middle_is_tried_again() {
    let set = MongoReplicaSet::start().await.unwrap();
    let (bank, all) = bank(&set.url(), "handed").await;
    let lease = bank.acquire().await.unwrap();
    let context = (&all, &set, 0);
    let transaction = with_transaction(&lease, LIMIT, context, |session, (all, set, attempt)| {
        Box::pin(async move {
            *attempt += 1;
            all.insert_one(doc! { "attempt": *attempt }).session(&mut *session).await?;
            if *attempt == 1 {
                set.hand_over().await.unwrap();
            }
            all.insert_one(doc! { "attempt": *attempt }).session(&mut *session).await?;
            Ok(*attempt)
        })
    });
    let attempts = within("the transaction", LIMIT, transaction).await.unwrap();
    assert!(attempts > 1, "{attempts}");
    let of = async |attempt: i32| all.count_documents(doc! { "attempt": attempt }).await.unwrap();
    assert_eq!((of(1).await, of(attempts).await), (0, 2));
    set.remove().await;
}

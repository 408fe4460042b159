//! Bulk upserts on a real server: right the first time, and harmless the second.

mod common;

use common::{shared, target};
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};
use qa_mongo::{
    BulkOptions, BulkUpsert, MongoDb, Written, bulk_upsert, ensure_index, ensure_unique_index,
    mongodb,
};
use qa_resource_core::{Backend, ErrorKind, Outcome, Resource, Settings};
use qa_servers::testing::within;
use qa_servers::{Server, System};
use std::sync::Arc;
use std::time::Duration;

const KEY: [&str; 2] = ["code", "date"];
const LIMIT: Duration = Duration::from_secs(20);

fn bars(count: i32, close: f64) -> Vec<Document> {
    (0..count).map(|day| doc! { "code": "GOOG", "date": day, "close": close }).collect()
}

async fn client() -> Client {
    let mongo = MongoDb::new(&target("bulk", &shared().await.url())).unwrap();
    mongo.connect().await.unwrap()
}

async fn empty(client: &Client, name: &str) -> Collection<Document> {
    let collection = MongoDb::database(client).collection(name);
    collection.drop().await.unwrap();
    ensure_unique_index(&collection, &KEY, LIMIT).await.unwrap();
    collection
}

fn counts(done: &BulkUpsert) -> (u64, u64, u64, usize) {
    (done.matched, done.modified, done.upserted, done.errors.len())
}

#[tokio::test]
async fn five_thousand_documents_run_again_are_the_same_documents() {
    let client = client().await;
    let days = empty(&client, "rerun").await;
    for ordered in [false, true] {
        days.delete_many(doc! {}).await.unwrap();
        let options = BulkOptions { ordered, ..BulkOptions::default() };
        let first = bulk_upsert(&days, &bars(5000, 1.0), &KEY, &options).await.unwrap();
        assert_eq!(counts(&first), (0, 0, 5000, 0));
        let again = bulk_upsert(&days, &bars(5000, 1.0), &KEY, &options).await.unwrap();
        assert_eq!(counts(&again), (5000, 0, 0, 0));
        let newer = bulk_upsert(&days, &bars(5100, 2.0), &KEY, &options).await.unwrap();
        assert_eq!(counts(&newer), (5000, 5000, 100, 0));
        assert_eq!(days.count_documents(doc! { "close": 2.0 }).await.unwrap(), 5100);
    }
}

#[tokio::test]
async fn what_a_stored_document_has_beyond_the_new_one_stays() {
    let client = client().await;
    let days = empty(&client, "stays").await;
    let options = BulkOptions::default();
    let stored = doc! { "_id": 1, "code": "GOOG", "date": 0, "close": 1.0, "volume": 7 };
    bulk_upsert(&days, &[stored], &KEY, &options).await.unwrap();
    // Another `_id` for the same key would be an error if it were set.
    let newer = doc! { "_id": 2, "code": "GOOG", "date": 0, "close": 2.0 };
    let done = bulk_upsert(&days, &[newer], &KEY, &options).await.unwrap();
    assert_eq!(counts(&done), (1, 1, 0, 0));
    let expected = doc! { "_id": 1, "code": "GOOG", "date": 0, "close": 2.0, "volume": 7 };
    assert_eq!(days.find_one(doc! {}).await.unwrap().unwrap(), expected);
}

#[tokio::test]
async fn a_refused_document_is_named_and_stops_only_an_ordered_run() {
    let client = client().await;
    let name = "refuses";
    let database = MongoDb::database(&client);
    database.collection::<Document>(name).drop().await.unwrap();
    let validator = doc! { "close": { "$gt": 0 } };
    database.create_collection(name).validator(validator).await.unwrap();
    let days = database.collection::<Document>(name);
    let mut documents = bars(2500, 1.0);
    documents[1200].insert("close", -1.0);
    documents[2400].remove("date");

    let ordered = BulkOptions { ordered: true, ..BulkOptions::default() };
    let done = bulk_upsert(&days, &documents, &KEY, &ordered).await.unwrap();
    let errors: Vec<_> = done.errors.iter().map(|error| (error.index, error.code)).collect();
    // The one without a key is seen before anything is sent.
    assert_eq!(errors, [(1200, 121), (2400, 2)], "{:?}", done.errors);
    assert_eq!(done.upserted, 1200);
    assert!(done.results[..1200].iter().all(|one| *one == Written::Inserted));
    assert_eq!((done.results[1200], done.results[2400]), (Written::Refused, Written::Refused));
    assert!(done.results[1201..2400].iter().all(|one| *one == Written::NotTried));

    let done = bulk_upsert(&days, &documents, &KEY, &BulkOptions::default()).await.unwrap();
    let errors: Vec<_> = done.errors.iter().map(|error| (error.index, error.code)).collect();
    assert_eq!(errors, [(1200, 121), (2400, 2)]);
    assert_eq!((done.matched, done.upserted), (1200, 1298));
    let of = |result| done.results.iter().filter(|one| **one == result).count();
    assert_eq!(
        (of(Written::Updated), of(Written::Inserted), of(Written::Refused)),
        (1200, 1298, 2)
    );
    assert!(done.results[..1200].iter().all(|one| *one == Written::Updated));
    assert!(done.errors[0].message.contains("validation"), "{:?}", done.errors);
}

#[tokio::test]
async fn many_writers_of_the_same_keys_insert_each_once_and_all_succeed() {
    let client = client().await;
    for ordered in [false, true] {
        let days = Arc::new(empty(&client, if ordered { "race_in_order" } else { "race" }).await);
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let days = Arc::clone(&days);
                tokio::spawn(async move {
                    let options = BulkOptions { ordered, chunk: 50, ..BulkOptions::default() };
                    let bars = bars(1000, f64::from(writer));
                    bulk_upsert(&days, &bars, &KEY, &options).await.unwrap()
                })
            })
            .collect();
        let mut upserted = 0;
        for writer in writers {
            let done = writer.await.unwrap();
            assert!(done.errors.is_empty(), "{:?}", done.errors);
            assert_eq!(done.matched + done.upserted, 1000);
            let inserted = done.results.iter().filter(|one| **one == Written::Inserted).count();
            assert_eq!(inserted as u64, done.upserted);
            assert!(!done.results.contains(&Written::Refused));
            upserted += done.upserted;
        }
        assert_eq!(upserted, 1000);
        assert_eq!(days.count_documents(doc! {}).await.unwrap(), 1000);
    }
}

#[tokio::test]
async fn an_index_that_is_in_the_way_is_said() {
    let client = client().await;
    let days = empty(&client, "clash").await;
    ensure_unique_index(&days, &KEY, LIMIT).await.unwrap();
    bulk_upsert(&days, &bars(2, 1.0), &KEY, &BulkOptions::default()).await.unwrap();
    let error = ensure_unique_index(&days, &["code"], LIMIT).await.unwrap_err();
    assert_eq!(MongoDb::classify(&error).kind, ErrorKind::Operation);
    assert!(error.to_string().contains("11000"), "{error}");
    let error = ensure_index(&days, doc! { "code": 1, "date": 1 }, false, LIMIT).await.unwrap_err();
    assert_eq!(MongoDb::classify(&error).kind, ErrorKind::Config);
    assert!(error.to_string().contains("`code_1_date_1`, which is unique"), "{error}");
    ensure_index(&days, doc! { "date": -1 }, false, LIMIT).await.unwrap();
    ensure_index(&days, doc! { "date": -1 }, false, LIMIT).await.unwrap();
    let error = bulk_upsert(&days, &bars(1, 1.0), &[], &BulkOptions::default()).await.unwrap_err();
    assert_eq!(MongoDb::classify(&error).kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_write_concern_that_can_not_be_met_is_an_unknown_outcome() {
    let client = client().await;
    let days = empty(&client, "concern").await;
    let hold = doc! { "fsync": 1, "lock": true };
    client.database("admin").run_command(hold).await.unwrap();
    let options =
        BulkOptions { chunk_timeout: Duration::from_millis(300), ..BulkOptions::default() };
    let error = bulk_upsert(&days, &bars(1, 1.0), &KEY, &options).await.unwrap_err();
    client.database("admin").run_command(doc! { "fsyncUnlock": 1 }).await.unwrap();
    let class = MongoDb::classify(&error);
    assert_eq!((class.kind, class.outcome), (ErrorKind::Timeout, Outcome::Unknown), "{error}");
}

#[tokio::test]
async fn a_server_killed_in_the_middle_loses_nothing_that_was_reported() {
    let server = Server::start_owned(System::MongoDb).await.unwrap();
    let settings = Settings { health_interval: Duration::from_millis(500), ..Settings::default() };
    let mongo = MongoDb::new(&target("killed", &server.url())).unwrap();
    let quotes = Resource::new("killed", mongo, settings);
    quotes.connect().await.unwrap();
    let generation = quotes.acquire().await.unwrap().generation();

    let killer = async {
        // In the middle: when chunks are acknowledged, and most are still to come.
        loop {
            let lease = quotes.acquire().await.unwrap();
            let days = MongoDb::database(&lease).collection::<Document>("killed");
            if days.estimated_document_count().await.unwrap() > 1000 {
                break;
            }
        }
        server.kill().await.unwrap();
        server.start_again().await.unwrap();
    };
    let writer = async {
        let options = BulkOptions { chunk: 100, ..BulkOptions::default() };
        let bars = bars(20_000, 1.0);
        let mut failures = 0;
        loop {
            let written = quotes
                .run_idempotent(|lease| {
                    let (bars, options) = (&bars, &options);
                    async move {
                        let days = MongoDb::database(&lease).collection::<Document>("killed");
                        ensure_unique_index(&days, &KEY, LIMIT).await?;
                        bulk_upsert(&days, bars, &KEY, options).await
                    }
                })
                .await;
            match written {
                Ok(done) => break (done, failures),
                Err(error) => {
                    assert!(error.kind().is_transient(), "{error}");
                    failures += 1;
                    assert!(failures < 20, "{error}");
                }
            }
        }
    };
    let ((done, failures), ()) = within(
        "both to end",
        Duration::from_secs(90),
        Box::pin(async { tokio::join!(writer, killer) }),
    )
    .await;
    assert!(done.errors.is_empty());
    assert!(done.matched > 0, "the kill came too late to matter ({failures} failures)");
    let lease = quotes.acquire().await.unwrap();
    let days = MongoDb::database(&lease).collection::<Document>("killed");
    assert_eq!(days.count_documents(doc! {}).await.unwrap(), 20_000);
    assert!(lease.generation() >= generation);
    drop(lease);
    let report = quotes.close(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report}");
    server.remove().await;
}

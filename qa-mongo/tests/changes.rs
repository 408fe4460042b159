//! Changes: each at least once, over failovers, failures and restarts.

mod common;

use common::{PATIENCE, shared, target};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, ResumeToken};
use mongodb::error::Result;
use qa_mongo::{Ended, FollowError, MongoDb, StoredBookmark, follow, mongodb};
use qa_resource_core::{Lease, Resource, Settings};
use qa_servers::cluster::MongoReplicaSet;
use qa_servers::testing::{eventually, within};
use std::sync::Mutex;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);
const COUNT: i32 = 300;

async fn watch(
    client: Client,
    after: Option<ResumeToken>,
) -> Result<ChangeStream<ChangeStreamEvent<Document>>> {
    let orders = MongoDb::database(&client).collection::<Document>("orders");
    orders.watch().resume_after(after).await
}

async fn write(resource: &Resource<MongoDb>, number: i32) {
    let insert = async |lease: Lease<MongoDb>| {
        let orders = MongoDb::database(&lease).collection::<Document>("orders");
        orders.insert_one(doc! { "_id": number }).await
    };
    let written = async || resource.run(insert).await.is_ok();
    eventually("it is written", PATIENCE, written).await;
}

/// Follows until the handler fails at a number, or the resource is closing; adds to what was seen.
async fn reader(
    resource: &Resource<MongoDb>,
    seen: &Mutex<Vec<i32>>,
    fail_at: Option<i32>,
) -> std::result::Result<Ended, FollowError<i32>> {
    let bookmark = StoredBookmark::new(resource.clone(), "bookmarks", "reader");
    let handle = async |change: ChangeStreamEvent<Document>| {
        let number = change.full_document.unwrap().get_i32("_id").unwrap();
        seen.lock().unwrap().push(number);
        if Some(number) == fail_at { Err(number) } else { Ok(()) }
    };
    sendable(follow(resource.clone(), &bookmark, LIMIT, watch, handle)).await
}

/// What may be spawned.
fn sendable<T: Send>(future: T) -> T {
    future
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_handled_over_a_failover_a_failure_and_a_restart() {
    let set = MongoReplicaSet::start().await.unwrap();
    let mongo = || MongoDb::new(&target("orders", &set.url())).unwrap();
    let settings = Settings { operation_timeout: LIMIT, ..Settings::default() };
    let orders = Resource::new("orders", mongo(), settings.clone());
    orders.connect().await.unwrap();
    write(&orders, -1).await;
    let seen = Mutex::new(Vec::new());

    // The very first change fails, before any place was stored: it must come again all the same.
    let writer = async {
        let lease = orders.acquire().await.unwrap();
        let bookmarks = MongoDb::database(&lease).collection::<Document>("bookmarks");
        let begun = async || bookmarks.count_documents(doc! {}).await.unwrap() == 1;
        eventually("its place is stored", PATIENCE, begun).await;
        for number in 0..COUNT {
            write(&orders, number).await;
            if number == COUNT / 2 {
                set.hand_over().await.unwrap();
            }
        }
    };
    let readers = async {
        for fail_at in [0, COUNT / 3] {
            let ended =
                within("the failure", PATIENCE * 2, reader(&orders, &seen, Some(fail_at))).await;
            assert!(matches!(ended, Err(FollowError::Handler(at)) if at == fail_at), "{ended:?}");
        }
        // And once it is dropped, in the middle of the failover.
        tokio::select! {
            ended = reader(&orders, &seen, None) => panic!("{ended:?}"),
            () = eventually("half of it", PATIENCE * 2, async || {
                seen.lock().unwrap().last().is_some_and(|last| *last >= COUNT / 2)
            }) => {}
        }
    };
    tokio::join!(writer, readers);

    // Another process, later.
    let later = Resource::new("later", mongo(), settings);
    later.connect().await.unwrap();
    let all_seen = async || seen.lock().unwrap().last() == Some(&(COUNT - 1));
    let closing = async {
        eventually("all of it", PATIENCE, all_seen).await;
        later.close(PATIENCE).await
    };
    let (ended, report) = tokio::join!(reader(&later, &seen, None), closing);
    assert_eq!(ended.unwrap(), Ended::Closing);
    assert!(report.is_clean(), "{report}");

    let mut seen = seen.into_inner().unwrap();
    let handled = seen.len();
    assert!(!seen.contains(&-1), "it begins with what changes from then on");
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.iter().copied().eq(0..COUNT), "{seen:?}");
    // Twice failed, once dropped: no more than these can have come twice.
    assert!(handled - seen.len() <= 3, "{handled}");
    assert!(orders.close(PATIENCE).await.is_clean());
    set.remove().await;
}

#[tokio::test]
async fn a_dropped_collection_ends_it_and_what_is_no_pipeline_is_refused() {
    let mongo = MongoDb::new(&target("orders", &shared().await.url())).unwrap();
    let orders = Resource::new("orders", mongo, Settings::default());
    orders.connect().await.unwrap();
    let seen = Mutex::new(Vec::new());
    let drop_it = async {
        let lease = orders.acquire().await.unwrap();
        let database = MongoDb::database(&lease);
        let begun = async || {
            let bookmarks = database.collection::<Document>("bookmarks");
            bookmarks.count_documents(doc! {}).await.unwrap() == 1
        };
        eventually("its place is stored", PATIENCE, begun).await;
        database.collection::<Document>("orders").insert_one(doc! { "_id": 0 }).await.unwrap();
        eventually("it is seen", PATIENCE, async || seen.lock().unwrap().len() == 1).await;
        database.collection::<Document>("orders").drop().await.unwrap();
    };
    let handle_only_inserts = async {
        let bookmark = StoredBookmark::new(orders.clone(), "bookmarks", "reader");
        let handle = async |change: ChangeStreamEvent<Document>| {
            if let Some(document) = change.full_document {
                seen.lock().unwrap().push(document.get_i32("_id").unwrap());
            }
            Ok::<_, i32>(())
        };
        follow(orders.clone(), &bookmark, LIMIT, watch, handle).await
    };
    let (ended, ()) = tokio::join!(handle_only_inserts, drop_it);
    assert_eq!(ended.unwrap(), Ended::Invalidated);

    let bookmark = StoredBookmark::new(orders.clone(), "bookmarks", "other");
    let watch = async |client: Client, _| {
        let orders = MongoDb::database(&client).collection::<Document>("orders");
        orders.watch().pipeline([doc! { "$noSuchStage": {} }]).await
    };
    let handle = async |_| Ok::<_, i32>(());
    let refused = follow(orders.clone(), &bookmark, LIMIT, watch, handle);
    let ended = within("the refusal", PATIENCE, refused).await;
    assert!(matches!(ended, Err(FollowError::Stream(_))), "{ended:?}");
    assert!(orders.close(PATIENCE).await.is_clean());
}

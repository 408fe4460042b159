//! The typed collections on a real server: written twice, found by their indexes.

mod common;

use common::{shared, target};
use mongodb::Client;
use mongodb::bson::{Document, doc};
use qa_mongo::market::{self, DayBar, MinuteBar, QifiAccount, Stored};
use qa_mongo::{BulkOptions, MongoDb, mongodb};
use qa_resource_core::Backend;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

async fn client() -> Client {
    let url = shared().await.url().replace("/?", "/market?");
    MongoDb::new(&target("market", &url)).unwrap().connect().await.unwrap()
}

/// Writes them twice; they are there once.
async fn write_twice<T: Stored>(client: &Client, documents: &[T]) {
    market::collection::<T>(client).drop().await.unwrap();
    for round in 0..2 {
        market::ensure_indexes::<T>(client, LIMIT).await.unwrap();
        let done = market::upsert(client, documents, &BulkOptions::default()).await.unwrap();
        let (old, new) = if round == 0 { (0, documents.len()) } else { (documents.len(), 0) };
        assert_eq!((done.matched, done.upserted), (old as u64, new as u64), "{done:?}");
        assert_eq!(done.modified, 0);
    }
}

/// How the server would find it.
async fn plan<T: Stored>(client: &Client, filter: Document) -> String {
    let explain = doc! { "explain": { "find": T::COLLECTION, "filter": filter } };
    let plan = MongoDb::database(client).run_command(explain).await.unwrap();
    plan.get_document("queryPlanner").unwrap().get("winningPlan").unwrap().to_string()
}

#[tokio::test]
async fn bars_and_accounts_are_written_once_and_found_by_their_indexes() {
    let client = client().await;
    let day = |code: &str, day: u32| DayBar {
        code: code.into(),
        date: format!("2018-01-{day:02}"),
        date_stamp: 1_514_764_800.0 + f64::from(day) * 86_400.0,
        close: 12.5,
        ..DayBar::default()
    };
    let days: Vec<_> =
        (1..=20).flat_map(|at| [day("000001", at), day("600000", at), day("600004", at)]).collect();
    write_twice(&client, &days).await;
    let filter = DayBar::between(&["000001", "600000"], "2018-01-05", "2018-01-08");
    let found = market::collection::<DayBar>(&client).find(filter.clone()).await.unwrap();
    let found: Vec<_> = futures_util::TryStreamExt::try_collect(found).await.unwrap();
    assert_eq!(found.len(), 8);
    assert!(found.iter().all(|bar| days.contains(bar)));
    assert!(plan::<DayBar>(&client, filter).await.contains("IXSCAN"));

    let minute = |minute: u32, frequency: &str| MinuteBar {
        code: "000001".into(),
        datetime: format!("2018-01-02 10:{minute:02}:00"),
        date: "2018-01-02".into(),
        frequency: frequency.into(),
        ..MinuteBar::default()
    };
    let minutes: Vec<_> = (0..60).flat_map(|at| [minute(at, "1min"), minute(at, "5min")]).collect();
    write_twice(&client, &minutes).await;
    let (first, last) = ("2018-01-02 10:10:00", "2018-01-02 10:19:00");
    let filter = MinuteBar::between(&["000001"], "1min", first, last);
    let stored = market::collection::<MinuteBar>(&client);
    assert_eq!(stored.count_documents(filter.clone()).await.unwrap(), 10);
    assert!(plan::<MinuteBar>(&client, filter).await.contains("IXSCAN"));

    let account = |at: u32| QifiAccount {
        account_cookie: format!("account-{at}"),
        trading_day: "2018-01-02".into(),
        accounts: doc! { "balance": f64::from(at) },
        rest: doc! { "status": 200 },
        ..QifiAccount::default()
    };
    let accounts: Vec<_> = (0..5).map(account).collect();
    write_twice(&client, &accounts).await;
    let filter = doc! { "account_cookie": "account-3" };
    assert!(plan::<QifiAccount>(&client, filter.clone()).await.contains("IXSCAN"));
    let mut found =
        market::collection::<QifiAccount>(&client).find_one(filter).await.unwrap().unwrap();
    found.rest.remove("_id");
    assert_eq!(found, accounts[3]);
}

//! Streams of documents: complete, bounded, and ended by a close.

mod common;

use common::{PATIENCE, Watcher, shared, target};
use futures_util::{StreamExt, TryStreamExt};
use mongodb::bson::{Document, doc};
use mongodb::error::Result;
use mongodb::{Client, Cursor};
use qa_mongo::{MongoDb, documents, mongodb};
use qa_resource_core::{Backend, Class, ErrorKind, Resource, Settings};
use qa_servers::testing::within;
use qa_servers::{Server, System};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(250);

async fn quotes(name: &str, server: &Server) -> Resource<MongoDb> {
    let mongo = MongoDb::new(&target(name, &server.url())).unwrap();
    let quotes = Resource::new(name, mongo, Settings::default());
    quotes.connect().await.unwrap();
    let lease = quotes.acquire().await.unwrap();
    let numbers = MongoDb::database(&lease).collection::<Document>("streamed");
    numbers.drop().await.unwrap();
    numbers.insert_many((0..500).map(|n| doc! { "n": n })).await.unwrap();
    quotes
}

/// Fifty batches of ten.
async fn open(client: Client) -> Result<Cursor<Document>> {
    let numbers = MongoDb::database(&client).collection::<Document>("streamed");
    numbers.find(doc! {}).sort(doc! { "_id": 1 }).batch_size(10).await
}

#[tokio::test]
async fn every_document_comes_and_a_close_ends_the_stream_with_an_error() {
    let server = shared().await;
    let quotes = quotes("streams", server).await;
    let lease = quotes.acquire().await.unwrap();
    let all: Vec<_> = documents(lease, LIMIT, open).await.unwrap().try_collect().await.unwrap();
    let numbers = all.iter().map(|document| document.get_i32("n").unwrap());
    assert!(numbers.eq(0..500));

    let lease = quotes.acquire().await.unwrap();
    let mut stream = documents(lease, LIMIT, open).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    let reader = async {
        while let Some(document) = stream.next().await {
            if let Err(error) = document {
                assert!(stream.next().await.is_none(), "nothing comes after an error");
                return Some(error);
            }
            // More time over a document than a close has.
            tokio::time::timeout(PATIENCE, quotes.quiescing().cancelled()).await.unwrap();
        }
        None
    };
    let (report, ended) = tokio::join!(quotes.close(PATIENCE), reader);
    let class = MongoDb::classify(&ended.expect("it was not read to its end"));
    assert_eq!(class, Class::not_applied(ErrorKind::Closed));
    assert!(report.is_clean(), "{report}");
    Watcher::new(server).await.sees_none_of("streams").await;
}

#[tokio::test]
async fn a_frozen_server_ends_a_stream_in_time() {
    let server = Server::start_owned(System::MongoDb).await.unwrap();
    let quotes = quotes("frozen", &server).await;
    let lease = quotes.acquire().await.unwrap();
    let mut stream = documents(lease, LIMIT, open).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    server.freeze().await.unwrap();
    let begun = Instant::now();
    let ended = async {
        loop {
            match stream.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("it was not read to its end"),
            }
        }
    };
    let error = within("its end", PATIENCE, ended).await;
    assert!(begun.elapsed() < LIMIT + SLACK, "{:?}", begun.elapsed());
    assert_eq!(MongoDb::classify(&error).kind, ErrorKind::Timeout, "{error}");
    server.thaw().await.unwrap();
    assert!(quotes.close(PATIENCE).await.is_clean());
    server.remove().await;
}

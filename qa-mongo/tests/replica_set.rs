//! A replica set: what its failovers look like from here.

mod common;

use common::{PATIENCE, target};
use mongodb::bson::{Document, doc};
use mongodb::options::{ReadPreference, SelectionCriteria};
use qa_mongo::{MongoDb, mongodb};
use qa_resource_core::{Backend, Class, ErrorKind, Health, Lease, Resource, Settings, State};
use qa_servers::cluster::MongoReplicaSet;
use qa_servers::testing::eventually;
use std::time::Duration;

fn resource(name: &str, url: &str) -> Resource<MongoDb> {
    let settings = Settings { health_interval: Duration::from_millis(500), ..Settings::default() };
    Resource::new(name, MongoDb::new(&target(name, url)).unwrap(), settings)
}

fn numbers(lease: &Lease<MongoDb>) -> mongodb::Collection<Document> {
    MongoDb::database(lease).collection("numbers")
}

async fn write(lease: Lease<MongoDb>) -> mongodb::error::Result<()> {
    numbers(&lease).insert_one(doc! { "n": 1 }).await.map(drop)
}

/// From any member that is there.
async fn read(lease: Lease<MongoDb>) -> mongodb::error::Result<Option<Document>> {
    let any = SelectionCriteria::ReadPreference(ReadPreference::Nearest { options: None });
    numbers(&lease).find_one(doc! {}).selection_criteria(any).await
}

async fn reads_as(quotes: &Resource<MongoDb>, health: Health, why: &str) {
    eventually(why, PATIENCE, async || quotes.health().health == health).await;
}

#[tokio::test]
async fn a_set_without_a_primary_is_read_and_degraded_and_never_lost() {
    let set = MongoReplicaSet::start().await.unwrap();
    let quotes = resource("quotes", &set.url());
    quotes.connect().await.unwrap();
    quotes.run(write).await.unwrap();
    reads_as(&quotes, Health::Up, "it is up").await;
    let generation = quotes.acquire().await.unwrap().generation();

    // One of three is no majority: nobody can be elected.
    let leader = set.leader().await.unwrap().port();
    let other = set.nodes().iter().find(|node| node.port() != leader).unwrap().port();
    let killed = || set.nodes().iter().filter(|node| [leader, other].contains(&node.port()));
    for node in killed() {
        node.kill().await.unwrap();
    }
    reads_as(&quotes, Health::Degraded, "it is degraded").await;
    let told = async || {
        let error = quotes.health().error;
        error.is_some_and(|error| error.to_string().contains("has no primary"))
    };
    eventually("the reason is told", PATIENCE, told).await;
    assert_eq!(quotes.state(), State::Ready);
    quotes.run(read).await.unwrap();
    let error = write(quotes.acquire().await.unwrap()).await.unwrap_err();
    assert_eq!(MongoDb::classify(&error), Class::not_applied(ErrorKind::Connect), "{error}");

    for node in killed() {
        node.start_again().await.unwrap();
    }
    set.wait_ready(PATIENCE * 3).await.unwrap();
    reads_as(&quotes, Health::Up, "it is up again").await;
    quotes.run(write).await.unwrap();
    assert_eq!(quotes.acquire().await.unwrap().generation(), generation, "it was never lost");
    let report = quotes.close(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report}");
    set.remove().await;
}

#[tokio::test]
async fn a_member_that_is_not_the_primary_is_degraded_when_it_is_all_there_is() {
    let set = MongoReplicaSet::start().await.unwrap();
    let leader = set.leader().await.unwrap().port();
    let secondary = set.nodes().iter().find(|node| node.port() != leader).unwrap();
    let url = format!("{}&directConnection=true", secondary.url());
    let quotes = resource(
        "secondary",
        &url.replace("&directConnection=true&directConnection=true", "&directConnection=true"),
    );
    quotes.connect().await.unwrap();
    reads_as(&quotes, Health::Degraded, "it is degraded").await;
    let error = quotes.health().error.unwrap().to_string();
    assert!(error.contains("takes no writes"), "{error}");
    quotes.run(read).await.unwrap();

    // The set elects it, and the driver hears of that.
    while set.leader().await.unwrap().port() != secondary.port() {
        set.hand_over().await.unwrap();
        set.wait_ready(PATIENCE).await.unwrap();
    }
    reads_as(&quotes, Health::Up, "it is up").await;
    quotes.run(write).await.unwrap();
    assert!(quotes.close(Duration::from_secs(5)).await.is_clean());
    set.remove().await;
}

//! A replica set over a real driver.

use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use qa_servers::Server;
use qa_servers::cluster::MongoReplicaSet;
use qa_servers::testing::within;
use tokio::time::timeout;

use crate::leftovers::Traces;

const LIMIT: Duration = Duration::from_secs(60);
/// The driver itself looks for a primary for 30 seconds, and says then what it found instead.
const WRITE: Duration = Duration::from_secs(90);

/// Writes once to a majority, and counts what is there.
async fn write(set: &MongoReplicaSet, client: &Client, what: &str) -> u64 {
    let write = async {
        let collection = client.database("shop").collection::<Document>("flowers");
        collection.insert_one(doc! {}).await?;
        collection.count_documents(doc! {}).await
    };
    let failed = match timeout(WRITE, write).await.map_err(|elapsed| elapsed.to_string()) {
        Ok(Ok(count)) => return count,
        Ok(Err(error)) => error.to_string(),
        Err(elapsed) => elapsed,
    };
    panic!("{what}: {failed}\n{}", states(set).await);
}

/// What each node says of all of them: a write that hangs waits for one of these.
async fn states(set: &MongoReplicaSet) -> String {
    let mut lines = Vec::new();
    for node in set.nodes() {
        let state = timeout(LIMIT, state(node)).await;
        let state = state.unwrap_or_else(|_| Ok("no answer".to_owned()));
        let state = state.unwrap_or_else(|error| error.to_string());
        lines.push(format!("node {}:\n{state}", node.port()));
    }
    lines.join("\n")
}

async fn state(node: &Server) -> mongodb::error::Result<String> {
    const TOLD: [&str; 5] =
        ["stateStr", "syncSourceHost", "optimeDate", "lastHeartbeatMessage", "infoMessage"];
    let mut options = ClientOptions::parse(node.url()).await?;
    options.direct_connection = Some(true);
    options.server_selection_timeout = Some(Duration::from_secs(5));
    let admin = Client::with_options(options)?.database("admin");
    let status = admin.run_command(doc! { "replSetGetStatus": 1 }).await?;
    let members = status.get_array("members").into_iter().flatten();
    let line = |member: &Document| {
        let told = TOLD.iter().filter_map(|key| Some(format!(", {key} {}", member.get(*key)?)));
        format!("  {}{}", member.get_str("name").unwrap_or("?"), told.collect::<String>())
    };
    Ok(members.filter_map(|member| member.as_document()).map(line).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn a_killed_primary_is_replaced_and_comes_back_as_a_follower() {
    let set = MongoReplicaSet::start().await.unwrap();
    let client = Client::with_uri_str(set.url()).await.unwrap();
    assert_eq!(write(&set, &client, "a write").await, 1);

    let old = set.leader().await.unwrap();
    old.kill().await.unwrap();
    let new = within("another primary", LIMIT, set.leader()).await.unwrap();
    assert_ne!(old.port(), new.port());
    assert_eq!(write(&set, &client, "a write to the new primary").await, 2);

    old.start_again().await.unwrap();
    set.wait_ready(LIMIT).await.unwrap();
    assert_ne!(set.leader().await.unwrap().port(), old.port());

    let old = set.leader().await.unwrap();
    let new = within("a primary in its place", LIMIT, set.hand_over()).await.unwrap();
    assert_ne!(old.port(), new.port());
    set.wait_ready(LIMIT).await.unwrap();
    assert_eq!(write(&set, &client, "a write to the next primary").await, 3);

    let traces = Traces::of(set.nodes()).await;
    set.remove().await;
    traces.are_gone().await;
}

//! What a MongoDB server says about itself.

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::error::Result;
use mongodb::options::{ReadPreference, SelectionCriteria};
use qa_resource_core::About;
use std::time::Duration;

/// Asks the nearest member: a set without a primary has a version, too.
pub(crate) async fn ask(client: &Client) -> Result<About> {
    let (build, hello) =
        tokio::try_join!(run(client, doc! { "buildInfo": 1 }), run(client, doc! { "hello": 1 }))?;
    let millis = hello.get_datetime("localTime").ok().map(|time| time.timestamp_millis());
    Ok(About {
        version: build.get_str("version").ok().map(str::to_owned),
        clock: millis.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis),
    })
}

async fn run(client: &Client, command: Document) -> Result<Document> {
    let nearest = SelectionCriteria::from(ReadPreference::Nearest { options: None });
    client.database("admin").run_command(command).selection_criteria(nearest).await
}

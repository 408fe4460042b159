//! MongoDB: a document is looked for.

use crate::Outcome;
use mongodb::Client;
use mongodb::bson::{Document, doc};

pub(crate) async fn once(url: String) -> Outcome {
    let client = Client::with_uri_str(url).await?;
    let bars = client.database("programs").collection::<Document>("bars");
    bars.find_one(doc! { "code": "000001" }).await?;
    client.shutdown().await;
    Ok(())
}

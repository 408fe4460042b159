//! MongoDB: a document is looked for.

use crate::Outcome;
use qa_pool::ResourcePool;
use qa_pool::mongo::MongoDb;
use qa_pool::mongo::mongodb::bson::{Document, doc};

pub(crate) async fn once(pool: &ResourcePool) -> Outcome {
    let find = async |lease: qa_pool::Lease<MongoDb>| {
        let bars = lease.database("programs").collection::<Document>("bars");
        bars.find_one(doc! { "code": "000001" }).await.map(drop)
    };
    Ok(pool.mongo()?.run(find).await?)
}

//! MongoDB in the suite.

use super::Subject;
use qa_pool::core::async_trait;
use qa_pool::mongo::mongodb::bson::{Bson, Document, doc};
use qa_pool::{Group, Lease, Result, mongo};
use qa_servers::{Server, System};

/// MongoDB in the suite.
#[derive(Debug)]
pub enum MongoDb {}

#[async_trait]
impl Subject for MongoDb {
    type Backend = mongo::MongoDb;
    const SYSTEM: System = System::MongoDb;
    /// One of the pool, the monitor, and the one that measures the monitor's round trips.
    const CONNECTIONS: usize = 3;
    /// The pool is a hundred.
    const MOST_CONNECTIONS: usize = 102;
    const A_CUT_IS_A_LOSS: bool = false;

    async fn ask(group: &Group<mongo::MongoDb>, number: u64) -> Result<u64> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let ask = move |lease: Lease<mongo::MongoDb>| async move {
            let numbers = mongo::MongoDb::database(&lease).collection::<Document>("numbers");
            let id = doc! { "_id": number };
            let set = doc! { "$set": { "number": number } };
            numbers.update_one(id.clone(), set).upsert(true).await?;
            numbers.find_one(id).await
        };
        let found = group.run(ask).await?.and_then(|mut found| found.remove("number"));
        let answer = found.as_ref().and_then(Bson::as_i64).and_then(|found| found.try_into().ok());
        Ok(answer.unwrap_or_default())
    }

    async fn echo(group: &Group<mongo::MongoDb>, number: u64) -> Result<u64> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let pipeline = vec![doc! { "$documents": [{ "number": number }] }];
        let command = doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {} };
        let echo = move |lease: Lease<mongo::MongoDb>| {
            let command = command.clone();
            async move { mongo::MongoDb::database(&lease).run_command(command).await }
        };
        let answer = group.run(echo).await?;
        let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        let first = batch.ok().and_then(|batch| batch.first()).and_then(Bson::as_document);
        let number = first.and_then(|first| first.get_i64("number").ok());
        Ok(number.and_then(|number| number.try_into().ok()).unwrap_or_default())
    }

    async fn version(_: &Server, group: &Group<mongo::MongoDb>) -> String {
        let lease = group.acquire().await.unwrap();
        let told = lease.database("admin").run_command(doc! { "buildInfo": 1 }).await.unwrap();
        told.get_str("version").unwrap().to_owned()
    }
}

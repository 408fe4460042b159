//! Where the reading of changes goes on.

use crate::MongoDb;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::change_stream::event::ResumeToken;
use qa_resource_core::{Group, Lease, async_trait};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;

/// Keeps the place up to which changes have been handled: a file, a row, a
/// [document](StoredBookmark). Where the changes lead to other data, keeping it with that data, in one
/// write, makes at least once exactly once.
#[async_trait]
pub trait Bookmark: Send + Sync {
    /// The place that was stored last; nothing where none was.
    ///
    /// # Errors
    /// Whatever keeps it from being had. It is logged, and must not hold a secret.
    ///
    /// # Cancel safety
    /// Dropped where the resource is closing.
    async fn load(&self) -> Result<Option<ResumeToken>, Box<dyn Error + Send + Sync>>;

    /// Stores the place; what was stored before is of no use any more.
    ///
    /// # Errors
    /// Whatever keeps it from being stored. It is logged, and must not hold a secret.
    ///
    /// # Cancel safety
    /// Never dropped by us while the resource is there; the caller may.
    async fn store(&self, token: &ResumeToken) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// A bookmark that is a document of the deployment itself, acknowledged by a majority.
#[derive(Debug)]
pub struct StoredBookmark {
    group: Group<MongoDb>,
    collection: String,
    name: String,
}

/// Limit for a write of it, at the server.
const LIMIT: Duration = Duration::from_secs(4);

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "_id")]
    name: String,
    token: ResumeToken,
}

impl StoredBookmark {
    /// The document with the `_id` `name` in `collection`, in the URL's database.
    pub fn new(
        group: impl Into<Group<MongoDb>>,
        collection: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { group: group.into(), collection: collection.into(), name: name.into() }
    }

    fn id(&self) -> Document {
        doc! { "_id": &self.name }
    }

    fn collection(&self, lease: &Lease<MongoDb>) -> Collection<Stored> {
        MongoDb::database(lease).collection(&self.collection)
    }
}

#[async_trait]
impl Bookmark for StoredBookmark {
    async fn load(&self) -> Result<Option<ResumeToken>, Box<dyn Error + Send + Sync>> {
        let find = async |lease: Lease<MongoDb>| {
            self.collection(&lease).find_one(self.id()).max_time(LIMIT).await
        };
        Ok(self.group.run_idempotent(find).await?.map(|stored| stored.token))
    }

    async fn store(&self, token: &ResumeToken) -> Result<(), Box<dyn Error + Send + Sync>> {
        let replace = async |lease: Lease<MongoDb>| {
            let stored = Stored { name: self.name.clone(), token: token.clone() };
            self.collection(&lease).replace_one(self.id(), stored).upsert(true).await.map(drop)
        };
        Ok(self.group.run_idempotent(replace).await?)
    }
}

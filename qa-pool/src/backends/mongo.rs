//! MongoDB in the pool.

use super::Configured;
use crate::ResourcePool;
use qa_mongo::MongoDb;
use qa_resource_core::{Group, Result, Target};

impl Configured for MongoDb {
    fn servers(target: &Target) -> Result<Vec<Self>> {
        Ok(vec![Self::new(target)?])
    }
}

impl ResourcePool {
    /// The MongoDB group named `mongo`, or the only MongoDB group there is.
    ///
    /// # Errors
    /// `Config` where there is none, or several and none has that name.
    pub fn mongo(&self) -> Result<Group<MongoDb>> {
        self.default_of("mongo")
    }
}

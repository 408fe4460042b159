//! MongoDB in the pool.

use crate::{ResourceConfig, ResourcePool};
use qa_mongo::MongoDb;
use qa_resource_core::{Group, Managed, Result, Target};
use std::sync::Arc;

pub(crate) fn make(resource: &ResourceConfig, target: &Target) -> Result<Arc<dyn Managed>> {
    super::group(resource, target, |target| Ok(vec![MongoDb::new(target)?]))
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

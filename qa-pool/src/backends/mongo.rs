//! MongoDB in the pool.

use crate::ResourcePool;
use qa_mongo::MongoDb;
use qa_resource_core::{Group, Managed, Resource, Result, Settings, Target};
use std::sync::Arc;

pub(crate) fn make(target: &Target, settings: &Settings) -> Result<Arc<dyn Managed>> {
    let resource = Resource::new(Arc::clone(&target.name), MongoDb::new(target)?, settings.clone());
    Ok(Arc::new(Group::from(resource)))
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

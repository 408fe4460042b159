//! MongoDB, from code that is not async.

use crate::blocking::{Group, ResourcePool};
use qa_mongo::MongoDb;
use qa_resource_core::Result;

impl ResourcePool {
    /// The MongoDB group named `mongo`, or the only MongoDB group there is.
    ///
    /// # Errors
    /// `Config` where there is none, or several and none has that name.
    pub fn mongo(&self) -> Result<Group<MongoDb>> {
        self.inner().mongo().map(|group| self.blocking(group))
    }
}

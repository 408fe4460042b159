//! Redis, from code that is not async.

use crate::blocking::{Group, ResourcePool};
use qa_redis::Redis;
use qa_resource_core::Result;

impl ResourcePool {
    /// The Redis group named `redis`, or the only Redis group there is.
    ///
    /// # Errors
    /// `Config` where there is none, or several and none has that name.
    pub fn redis(&self) -> Result<Group<Redis>> {
        self.inner().redis().map(|group| self.blocking(group))
    }
}

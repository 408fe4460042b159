//! Redis in the pool.

use crate::{ResourceConfig, ResourcePool};
use qa_redis::Redis;
use qa_resource_core::{Group, Managed, Result, Target};
use std::sync::Arc;

pub(crate) fn make(resource: &ResourceConfig, target: &Target) -> Result<Arc<dyn Managed>> {
    super::group(resource, target, |target| Ok(vec![Redis::new(target)?]))
}

impl ResourcePool {
    /// The Redis group named `redis`, or the only Redis group there is.
    ///
    /// # Errors
    /// `Config` where there is none, or several and none has that name.
    pub fn redis(&self) -> Result<Group<Redis>> {
        self.default_of("redis")
    }
}

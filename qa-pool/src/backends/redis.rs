//! Redis in the pool.

use crate::ResourcePool;
use qa_redis::Redis;
use qa_resource_core::{Group, Managed, Resource, Result, Settings, Target};
use std::sync::Arc;

pub(crate) fn make(target: &Target, settings: &Settings) -> Result<Arc<dyn Managed>> {
    let resource = Resource::new(Arc::clone(&target.name), Redis::new(target)?, settings.clone());
    Ok(Arc::new(Group::from(resource)))
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

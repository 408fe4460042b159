//! Redis in the pool.

use super::Configured;
use crate::ResourcePool;
use qa_redis::Redis;
use qa_resource_core::{Group, Result, Target};

impl Configured for Redis {
    fn servers(target: &Target) -> Result<Vec<Self>> {
        Ok(vec![Self::new(target)?])
    }
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

//! ClickHouse in the pool.

use super::Configured;
use crate::ResourcePool;
use qa_clickhouse::ClickHouse;
use qa_resource_core::{Group, Result, Target};

impl Configured for ClickHouse {
    fn servers(target: &Target) -> Result<Vec<Self>> {
        Self::each(target)
    }
}

impl ResourcePool {
    /// The ClickHouse group named `clickhouse`, or the only ClickHouse group there is.
    ///
    /// # Errors
    /// `Config` where there is none, or several and none has that name.
    pub fn clickhouse(&self) -> Result<Group<ClickHouse>> {
        self.default_of("clickhouse")
    }
}

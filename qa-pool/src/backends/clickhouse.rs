//! ClickHouse in the pool.

use crate::{ResourceConfig, ResourcePool};
use qa_clickhouse::ClickHouse;
use qa_resource_core::{Group, Managed, Result, Target};
use std::sync::Arc;

pub(crate) fn make(resource: &ResourceConfig, target: &Target) -> Result<Arc<dyn Managed>> {
    super::group(resource, target, ClickHouse::each)
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

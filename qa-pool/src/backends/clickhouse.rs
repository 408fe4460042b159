//! ClickHouse in the pool.

use crate::ResourcePool;
use qa_clickhouse::ClickHouse;
use qa_resource_core::{Group, GroupSettings, Managed, Result, Settings, Target};
use std::sync::Arc;

pub(crate) fn make(target: &Target, settings: &Settings) -> Result<Arc<dyn Managed>> {
    Ok(Arc::new(ClickHouse::group(target, settings, GroupSettings::default())?))
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

//! ClickHouse, from code that is not async.

use crate::blocking::{Group, ResourcePool};
use qa_clickhouse::ClickHouse;
use qa_resource_core::Result;

impl ResourcePool {
    /// The ClickHouse group named `clickhouse`, or the only ClickHouse group there is.
    ///
    /// # Errors
    /// `Config` where there is none, or several and none has that name.
    pub fn clickhouse(&self) -> Result<Group<ClickHouse>> {
        self.inner().clickhouse().map(|group| self.blocking(group))
    }
}

//! RabbitMQ, from code that is not async.

use crate::blocking::{Group, ResourcePool};
use qa_amqp::RabbitMq;
use qa_resource_core::Result;

impl ResourcePool {
    /// The RabbitMQ group named `amqp`, or the only RabbitMQ group there is.
    ///
    /// # Errors
    /// `Config` where there is none, or several and none has that name.
    pub fn amqp(&self) -> Result<Group<RabbitMq>> {
        self.inner().amqp().map(|group| self.blocking(group))
    }
}

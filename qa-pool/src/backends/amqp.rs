//! RabbitMQ in the pool.

use crate::{ResourceConfig, ResourcePool};
use qa_amqp::RabbitMq;
use qa_resource_core::{Group, Managed, Result, Target};
use std::sync::Arc;

pub(crate) fn make(resource: &ResourceConfig, target: &Target) -> Result<Arc<dyn Managed>> {
    super::group(resource, target, |target| Ok(vec![RabbitMq::new(target)?]))
}

impl ResourcePool {
    /// The RabbitMQ group named `amqp`, or the only RabbitMQ group there is.
    ///
    /// # Errors
    /// `Config` where there is none, or several and none has that name.
    pub fn amqp(&self) -> Result<Group<RabbitMq>> {
        self.default_of("amqp")
    }
}

//! RabbitMQ in the pool.

use crate::ResourcePool;
use qa_amqp::RabbitMq;
use qa_resource_core::{Group, Managed, Resource, Result, Settings, Target};
use std::sync::Arc;

pub(crate) fn make(target: &Target, settings: &Settings) -> Result<Arc<dyn Managed>> {
    let resource =
        Resource::new(Arc::clone(&target.name), RabbitMq::new(target)?, settings.clone());
    Ok(Arc::new(Group::from(resource)))
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

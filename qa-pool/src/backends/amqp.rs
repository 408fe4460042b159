//! RabbitMQ in the pool.

use super::Configured;
use crate::ResourcePool;
use qa_amqp::RabbitMq;
use qa_resource_core::{Group, Result, Target};

impl Configured for RabbitMq {
    fn servers(target: &Target) -> Result<Vec<Self>> {
        Ok(vec![Self::new(target)?])
    }
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

//! qa-amqp

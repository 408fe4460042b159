//! An operation that each server understands and refuses.

use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis, Subject};
use qa_pool::amqp::lapin::options::QueueDeclareOptions;
use qa_pool::amqp::lapin::types::FieldTable;
use qa_pool::core::async_trait;
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::redis::redis;
use qa_pool::{Backend, Error, Group, Lease, amqp, clickhouse, mongo};

/// A subject with an operation that its server refuses.
#[async_trait]
pub(crate) trait Refusing: Subject {
    /// Runs it; gives why it failed.
    async fn refused(group: &Group<Self::Backend>) -> Error;
}

#[async_trait]
impl Refusing for Redis {
    async fn refused(group: &Group<Self::Backend>) -> Error {
        let nonsense = |lease: Lease<<Redis as Subject>::Backend>| async move {
            redis::cmd("NONSENSE").exec_async(&mut lease.clone()).await
        };
        group.run(nonsense).await.unwrap_err()
    }
}

#[async_trait]
impl Refusing for MongoDb {
    async fn refused(group: &Group<Self::Backend>) -> Error {
        let nonsense = |lease: Lease<mongo::MongoDb>| async move {
            lease.database("admin").run_command(doc! { "nonsense": 1 }).await
        };
        group.run(nonsense).await.unwrap_err()
    }
}

#[async_trait]
impl Refusing for ClickHouse {
    async fn refused(group: &Group<Self::Backend>) -> Error {
        let nonsense = |lease: Lease<clickhouse::ClickHouse>| async move {
            lease.query("NONSENSE").execute().await
        };
        group.run(nonsense).await.unwrap_err()
    }
}

#[async_trait]
impl Refusing for RabbitMq {
    async fn refused(group: &Group<Self::Backend>) -> Error {
        let nonsense = |lease: Lease<amqp::RabbitMq>| async move {
            let there = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let channel = lease.channel().await?;
            channel.queue_declare("nonsense".into(), there, FieldTable::default()).await?;
            Ok::<_, <amqp::RabbitMq as Backend>::Error>(())
        };
        group.run(nonsense).await.unwrap_err()
    }
}

//! ClickHouse in the suite.

use super::Subject;
use qa_pool::core::async_trait;
use qa_pool::{Group, Lease, Result, clickhouse};
use qa_servers::{Server, System};
use std::time::Duration;

/// ClickHouse in the suite. It is only asked: a table for a row a question is not what it is for.
#[derive(Debug)]
pub enum ClickHouse {}

#[async_trait]
impl Subject for ClickHouse {
    type Backend = clickhouse::ClickHouse;
    const SYSTEM: System = System::ClickHouse;
    const CONNECTIONS: usize = 1;
    /// Idle ones that its pool keeps.
    const MOST_CONNECTIONS: usize = 32;
    const A_CUT_IS_A_LOSS: bool = false;

    async fn ask(group: &Group<clickhouse::ClickHouse>, number: u64) -> Result<u64> {
        let ask = move |lease: Lease<clickhouse::ClickHouse>| async move {
            // The sum of so many ones: the server has to count.
            let query = lease.query("SELECT toUInt64(? + count()) FROM numbers(1000)");
            query.bind(number).fetch_one::<u64>().await
        };
        group.run(ask).await.map(|answer| answer.saturating_sub(1000))
    }

    async fn echo(group: &Group<clickhouse::ClickHouse>, number: u64) -> Result<u64> {
        let echo = move |lease: Lease<clickhouse::ClickHouse>| async move {
            lease.query("SELECT toUInt64(?)").bind(number).fetch_one::<u64>().await
        };
        group.run(echo).await
    }

    /// Its places are queries: one that lasts.
    async fn occupy(group: &Group<clickhouse::ClickHouse>, time: Duration) -> Result<()> {
        let seconds = time.as_secs();
        let wait = move |lease: Lease<clickhouse::ClickHouse>| async move {
            let query = "SELECT sum(sleepEachRow(1)) FROM numbers(?) SETTINGS max_block_size = 1";
            lease.query(query).bind(seconds).fetch_one::<u64>().await.map(drop)
        };
        group.run_idempotent(wait).await
    }

    async fn version(_: &Server, group: &Group<clickhouse::ClickHouse>) -> String {
        let lease = group.acquire().await.unwrap();
        lease.query("SELECT version()").fetch_one().await.unwrap()
    }
}

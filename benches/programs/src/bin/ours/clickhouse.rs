//! ClickHouse: a number is selected.

use crate::Outcome;
use qa_pool::ResourcePool;
use qa_pool::clickhouse::ClickHouse;

pub(crate) async fn once(pool: &ResourcePool) -> Outcome {
    let select = async |lease: qa_pool::Lease<ClickHouse>| {
        lease.query("SELECT 1").fetch_one::<u8>().await.map(drop)
    };
    Ok(pool.clickhouse()?.run(select).await?)
}

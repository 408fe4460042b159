//! Redis: a key is read.

use crate::Outcome;
use qa_pool::ResourcePool;
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncTypedCommands;

pub(crate) async fn once(pool: &ResourcePool) -> Outcome {
    let get = async |lease: qa_pool::Lease<Redis>| lease.clone().get("programs").await.map(drop);
    Ok(pool.redis()?.run(get).await?)
}

//! Redis in the suite.

use super::Subject;
use qa_pool::core::async_trait;
use qa_pool::redis::redis::{AsyncCommands, cmd};
use qa_pool::{Group, Lease, Result, redis};
use qa_servers::{Server, System};

/// Redis in the suite.
#[derive(Debug)]
pub enum Redis {}

#[async_trait]
impl Subject for Redis {
    type Backend = redis::Redis;
    const SYSTEM: System = System::Redis;
    const CONNECTIONS: usize = 1;

    async fn ask(group: &Group<redis::Redis>, number: u64) -> Result<u64> {
        let ask = move |lease: Lease<redis::Redis>| async move {
            let (mut client, key) = (lease.clone(), format!("number:{number}"));
            let () = client.set_ex(&key, number, 60).await?;
            client.get(&key).await
        };
        group.run(ask).await
    }

    async fn echo(group: &Group<redis::Redis>, number: u64) -> Result<u64> {
        let echo = move |lease: Lease<redis::Redis>| async move {
            cmd("ECHO").arg(number).query_async(&mut lease.clone()).await
        };
        group.run(echo).await
    }

    async fn version(_: &Server, group: &Group<redis::Redis>) -> String {
        let mut client = group.acquire().await.unwrap().clone();
        let mut info = cmd("INFO");
        let info: String = info.arg("server").query_async(&mut client).await.unwrap();
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version.unwrap().to_owned()
    }
}

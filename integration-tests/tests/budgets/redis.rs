//! Redis.

use crate::count::cost;
use crate::{hold, quiet};
use integration_tests::Redis;
use qa_pool::Lease;
use qa_pool::redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use qa_pool::redis::redis::{AsyncCommands, Client, pipe};

#[tokio::test]
async fn redis_costs_what_its_budget_says() {
    let proxied = quiet::<Redis>("budgets").await;
    let (group, proxy) = (&proxied.rig.group, &proxied.proxy);
    let client = Client::open(proxy.url(&proxied.server.url())).unwrap();
    let bare: MultiplexedConnection = client.get_multiplexed_async_connection().await.unwrap();
    let () = bare.clone().set("budget", "7").await.unwrap();

    let lease = async || drop(group.acquire().await.unwrap());
    let lease = cost(proxy, lease, async || {}).await;
    let leased = async || get(&mut group.acquire().await.unwrap().clone()).await;
    let leased = cost(proxy, leased, async || get(&mut bare.clone()).await).await;
    let run = async || {
        let ask =
            |lease: Lease<qa_pool::redis::Redis>| async move { lease.clone().get("budget").await };
        let _: String = group.run(ask).await.unwrap();
    };
    let run = cost(proxy, run, async || get(&mut bare.clone()).await).await;
    let pipeline = async || set_many(&mut group.acquire().await.unwrap().clone()).await;
    let pipeline = cost(proxy, pipeline, async || set_many(&mut bare.clone()).await).await;
    hold(
        "redis",
        &[
            ("a lease", lease),
            ("GET with a lease", leased),
            ("GET through run", run),
            ("a pipeline of 100 SET", pipeline),
        ],
    );
    proxied.rig.close().await;
}

async fn get(connection: &mut (impl ConnectionLike + Send + Sync)) {
    let _: String = connection.get("budget").await.unwrap();
}

async fn set_many(connection: &mut (impl ConnectionLike + Send + Sync)) {
    let mut pipeline = pipe();
    for number in 0..100 {
        pipeline.set(format!("budget-{number}"), number).ignore();
    }
    let () = pipeline.query_async(connection).await.unwrap();
}

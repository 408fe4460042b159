//! Starts one server or cluster, prints its URLs and keeps it until Ctrl-C.
//!
//! `cargo run -p qa-servers -- redis`

use std::time::Instant;

use qa_servers::cluster::{
    ClickHousePair, MongoReplicaSet, RabbitMqCluster, RedisCluster, RedisSentinels,
};
use qa_servers::{Error, Provider, Server, System};

const USAGE: &str = "usage: qa-server mongodb|rabbitmq|clickhouse|redis\n   \
                     or: qa-server mongodb-set|rabbitmq-cluster|clickhouse-pair|redis-sentinels|redis-cluster";

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let Some(name) = std::env::args().nth(1).filter(|name| !name.starts_with('-')) else {
        eprintln!("{USAGE}");
        return 2.into();
    };
    match run(&name).await {
        Ok(()) => 0.into(),
        Err(error @ Error::UnknownName { .. }) => {
            eprintln!("qa-server: {error}");
            2.into()
        }
        Err(error) => {
            eprintln!("qa-server: {error}");
            1.into()
        }
    }
}

async fn run(name: &str) -> Result<(), Error> {
    let start = Instant::now();
    let keep = async |provider: Provider, urls: &[String]| {
        let took = start.elapsed();
        eprintln!("{name} ({provider}) is up after {took:.1?}; Ctrl-C removes it");
        println!("{}", urls.join("\n"));
        // Without a signal handler there is no Ctrl-C to wait for; the watchdog cleans up.
        let _ = tokio::signal::ctrl_c().await;
    };
    match name {
        "mongodb-set" => {
            let set = MongoReplicaSet::start().await?;
            keep(Provider::Process, &[set.url()]).await;
            set.remove().await;
        }
        "rabbitmq-cluster" => {
            let cluster = RabbitMqCluster::start().await?;
            keep(Provider::Process, &[cluster.url()]).await;
            cluster.remove().await;
        }
        "clickhouse-pair" => {
            let pair = ClickHousePair::start().await?;
            keep(Provider::Process, &pair.nodes().each_ref().map(Server::url)).await;
            pair.remove().await;
        }
        "redis-sentinels" => {
            let cluster = RedisSentinels::start().await?;
            keep(Provider::Process, &cluster.sentinel_urls()).await;
            cluster.remove().await;
        }
        "redis-cluster" => {
            let cluster = RedisCluster::start().await?;
            keep(Provider::Process, &cluster.urls()).await;
            cluster.remove().await;
        }
        _ => {
            let server = Server::start(name.parse::<System>()?).await?;
            keep(server.provider(), &[server.url()]).await;
            server.remove().await;
        }
    }
    Ok(())
}

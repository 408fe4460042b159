//! 100 tasks on one connection, through our client and through the bare driver: throughput side by
//! side, in rounds that alternate so that a busy machine slows both alike.

use qa_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use qa_redis::redis::io::tcp::TcpSettings;
use qa_redis::redis::{AsyncCommands, AsyncConnectionConfig, IntoConnectionInfo};
use qa_redis::{Client, Redis, Target, redis};
use qa_resource_core::Backend;
use qa_servers::{Server, System};
use std::time::{Duration, Instant};

const TASKS: usize = 100;
const GETS: usize = 500;
const ROUNDS: usize = 15;

#[tokio::main]
async fn main() {
    let server = Server::start(System::Redis).await.unwrap();
    let (bare, ours) = (bare(&server.url()).await, ours(&server.url()).await);
    let () = ours.clone().set("key", "value").await.unwrap();
    round(&bare).await;
    round(&ours).await;

    let mut rates: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rates[0].push(round(&bare).await);
        rates[1].push(round(&ours).await);
    }
    let [bare, ours] = rates.map(median);
    println!("{TASKS} tasks x {GETS} GET, median of {ROUNDS} rounds");
    println!("  bare driver  {bare:>9.0} commands/s");
    println!("  qa-redis     {ours:>9.0} commands/s");
    println!("  ratio        {:>9.3}", ours / bare);
    server.remove().await;
}

async fn ours(url: &str) -> Client {
    Redis::new(&Target::parse("bench", url).unwrap()).unwrap().connect().await.unwrap()
}

/// The driver alone, with the same limit and socket options.
async fn bare(url: &str) -> MultiplexedConnection {
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = format!("{url}?protocol=resp3").into_connection_info().unwrap();
    let client = redis::Client::open(info.set_tcp_settings(tcp)).unwrap();
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(2)));
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

/// Commands per second.
async fn round<C>(connection: &C) -> f64
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    let began = Instant::now();
    let task = |mut connection: C| async move {
        for _ in 0..GETS {
            let value: String = connection.get("key").await.unwrap();
            assert_eq!(value, "value");
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(task(connection.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    f64::from(u32::try_from(TASKS * GETS).unwrap()) / began.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

//! 100 tasks that read: through our client, through the bare driver, and through the two pools that
//! most people use, side by side, in rounds that alternate so that a busy machine slows all alike.
//! Then how long one read takes while another caller waits on a list, and while nobody does.

use bb8_redis::RedisConnectionManager;
use deadpool_redis::{Config, Runtime};
use futures_util::future::join_all;
use qa_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use qa_redis::redis::io::tcp::TcpSettings;
use qa_redis::redis::{AsyncCommands, AsyncConnectionConfig, IntoConnectionInfo};
use qa_redis::{Client, Redis, Target, redis};
use qa_resource_core::Backend;
use qa_servers::{Server, System};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

const TASKS: usize = 100;
const GETS: usize = 200;
const ROUNDS: usize = 15;

/// Connections of a pool; what bb8 has where nothing is said.
const POOL: usize = 10;

/// How long a caller waits on a list.
const BLOCK: f64 = 3.0;

type Deadpool = deadpool_redis::Pool;
type Bb8 = bb8::Pool<RedisConnectionManager>;

#[tokio::main]
async fn main() {
    let server = Server::start(System::Redis).await.unwrap();
    let url = server.url();
    let (bare, ours) = (bare(&url).await, ours(&url).await);
    let (deadpool, bb8) = (deadpool(&url), bb8(&url).await);
    let () = ours.clone().set("key", "value").await.unwrap();

    let mut rates: [Vec<f64>; 4] = Default::default();
    // The first round warms up.
    for round in 0..=ROUNDS {
        let each = [
            all(|| shared(bare.clone())).await,
            all(|| shared(ours.clone())).await,
            all(|| from_deadpool(deadpool.clone())).await,
            all(|| from_bb8(bb8.clone())).await,
        ];
        if round > 0 {
            rates.iter_mut().zip(each).for_each(|(rates, rate)| rates.push(rate));
        }
    }
    report(rates);
    blocking(&ours).await;
    server.remove().await;
}

fn report(rates: [Vec<f64>; 4]) {
    let ratios = |of: usize, to: usize| {
        median(rates[of].iter().zip(&rates[to]).map(|(of, to)| of / to).collect())
    };
    println!("{TASKS} tasks x {GETS} GET, medians of {ROUNDS} rounds");
    println!("  ours / bare driver   {:>6.3}", ratios(1, 0));
    println!("  ours / deadpool      {:>6.2}", ratios(1, 2));
    println!("  ours / bb8           {:>6.2}", ratios(1, 3));
    let names = ["bare driver", "qa-redis", "deadpool-redis", "bb8-redis"];
    for (name, rates) in names.into_iter().zip(rates) {
        println!("  {name:<15} {:>9.0} commands/s", median(rates));
    }
}

/// Reads of 20 callers, each every 2 ms: calm, and while another waits on an empty list.
async fn blocking(client: &Client) {
    println!("20 callers, a GET each 2 ms, for {BLOCK} s: p50 and p99");
    for round in 1..=3 {
        let calm = reads(client).await;
        let waits = async {
            let mut dedicated = client.dedicated().await.unwrap();
            let none: Option<(String, String)> = dedicated.blpop("empty", BLOCK).await.unwrap();
            assert!(none.is_none());
        };
        let ((), beside) = tokio::join!(waits, reads(client));
        println!("  {round}: calm {calm}, beside a BLPOP of {BLOCK} s {beside}");
    }
}

async fn reads(client: &Client) -> String {
    let callers = (0..20).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(2));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let (began, mut took) = (Instant::now(), Vec::new());
            while began.elapsed().as_secs_f64() < BLOCK {
                ticks.tick().await;
                let asked = Instant::now();
                let _: String = client.get("key").await.unwrap();
                took.push(asked.elapsed());
            }
            took
        })
    });
    let took = join_all(callers).await.into_iter().flat_map(Result::unwrap);
    let mut took: Vec<Duration> = took.collect();
    took.sort_unstable();
    let at = |percent: usize| took[took.len() * percent / 100];
    format!("{:.2?} {:.2?}", at(50), at(99))
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

fn deadpool(url: &str) -> Deadpool {
    let config = Config::from_url(url);
    let builder = config.builder().unwrap();
    builder.max_size(POOL).runtime(Runtime::Tokio1).build().unwrap()
}

async fn bb8(url: &str) -> Bb8 {
    let size = u32::try_from(POOL).unwrap();
    let manager = RedisConnectionManager::new(url).unwrap();
    bb8::Pool::builder().max_size(size).build(manager).await.unwrap()
}

/// Commands per second of many tasks.
async fn all<F>(task: impl Fn() -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(task())).collect();
    for task in tasks {
        task.await.unwrap();
    }
    f64::from(u32::try_from(TASKS * GETS).unwrap()) / began.elapsed().as_secs_f64()
}

async fn shared(mut connection: impl ConnectionLike + Send + Sync) {
    for _ in 0..GETS {
        read(&mut connection).await;
    }
}

async fn from_deadpool(pool: Deadpool) {
    for _ in 0..GETS {
        read(&mut pool.get().await.unwrap()).await;
    }
}

async fn from_bb8(pool: Bb8) {
    for _ in 0..GETS {
        read(&mut *pool.get().await.unwrap()).await;
    }
}

async fn read(connection: &mut (impl ConnectionLike + Send + Sync)) {
    let value: String = connection.get("key").await.unwrap();
    assert_eq!(value, "value");
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

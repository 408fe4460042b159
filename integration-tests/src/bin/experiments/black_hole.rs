//! E20, for a pool of all four: one of them hears nothing any more.

use crate::run::Run;
use integration_tests::ClickHouse;
use integration_tests::experiment::Figure;
use integration_tests::{MongoDb, RabbitMq, Redis, Subject, eventually, servers};
use qa_pool::core::Target;
use qa_pool::{Config, Health, ResourceConfig, ResourcePool, Settings, State};
use qa_servers::System;
use qa_servers::proxy::{FaultProxy, Faults};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(30);
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Each of the four in turn is put into a black hole, and the pool is asked for its health.
pub(crate) async fn health(run: Run) -> Vec<Figure> {
    let (proxies, pool) = pool().await;
    let (mut asked, mut cached) = (Vec::new(), Vec::new());
    let (mut round_trips, mut wrong, mut rounds) = (0, 0, 0);
    for round in 0..run.pick(1, 5) {
        run.progress(&format!("round {round}: one of four in a black hole, each in turn"));
        for (at, proxy) in proxies.iter().enumerate() {
            round_trips += usize::from(is_a_round_trip(&pool, proxy).await);
            rounds += 1;
            // It may happen at any moment between two pings.
            sleep(Settings::default().health_interval.mul_f64(fastrand::f64())).await;
            proxy.set(Faults::silent());
            // Its ping has the whole of its time; the next one is the loss.
            for _ in 0..2 {
                let began = Instant::now();
                let readings = pool.health().await;
                asked.push(began.elapsed());
                let up = readings.iter().map(|(_, reading)| reading.health == Health::Up);
                wrong += up.enumerate().filter(|(of, up)| *up == (*of == at)).count();
            }
            cached.extend((0..50).map(|_| time_of(|| pool.status())));
            proxy.heal();
            eventually("all four are up again", PATIENCE, async || all_up(&pool)).await;
        }
    }
    let ended = pool.status().iter().filter(|status| status.state != State::Ready).count();
    let clean = pool.close(SHUTDOWN).await.is_clean();
    let limit = Settings::default().health_timeout.as_secs_f64() + 0.1;
    vec![
        Figure::seconds("health of the pool", &asked).p99_at_most(limit),
        Figure::seconds("cached health", &cached).p99_at_most(0.001),
        Figure::count("wrong readings", wrong).of(asked.len() * System::ALL.len()).is(0.0),
        Figure::count("checks that were round trips", round_trips)
            .of(rounds)
            .must("all of them", round_trips == rounds),
        Figure::count("resources that did not live on", ended + usize::from(!clean)).of(rounds).is(0.0).note(
            "no liveness endpoint exists yet: what is counted is resources that end by a fault of their server, which would need a restart of ours",
        ),
    ]
}

/// The four, each behind a proxy of its own.
async fn pool() -> (Vec<FaultProxy>, ResourcePool) {
    let (mut proxies, mut resources) = (Vec::new(), Vec::new());
    for system in System::ALL {
        let server = servers::shared(system).await;
        let url = match system {
            System::MongoDb => MongoDb::url(server, "black-hole").await,
            System::RabbitMq => RabbitMq::url(server, "black-hole").await,
            System::ClickHouse => ClickHouse::url(server, "black-hole").await,
            System::Redis => Redis::url(server, "black-hole").await,
        };
        let proxy = FaultProxy::open(server.port()).await;
        let target = Target::parse(system.name(), &proxy.url(&url)).unwrap();
        resources.push(ResourceConfig {
            target,
            settings: Settings::default(),
            required: true,
            group: None,
        });
        proxies.push(proxy);
    }
    let pool = ResourcePool::from_config(&Config {
        resources,
        shutdown_timeout: SHUTDOWN,
        ..Config::default()
    })
    .unwrap();
    pool.connect().await.unwrap();
    (proxies, pool)
}

/// Whether asking for the health sends something to this server, and hears something from it.
async fn is_a_round_trip(pool: &ResourcePool, proxy: &FaultProxy) -> bool {
    let before = proxy.counts();
    pool.health().await;
    let after = proxy.counts();
    after.bytes_to_server > before.bytes_to_server && after.bytes_to_client > before.bytes_to_client
}

fn all_up(pool: &ResourcePool) -> bool {
    pool.status().iter().all(|status| status.health.health == Health::Up)
}

fn time_of<T>(call: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    let _result = call();
    began.elapsed()
}

//! E26: a service that starts before its servers do.

use crate::passing::until;
use crate::run::Run;
use futures_util::future::join_all;
use integration_tests::experiment::Figure;
use integration_tests::{RabbitMq, Subject, servers};
use qa_pool::core::Target;
use qa_pool::{Config, ResourceConfig, ResourcePool, Settings, State};
use qa_servers::System;
use qa_servers::proxy::{Door, FaultProxy, Faults};
use std::time::{Duration, Instant};

/// So many pools start at once: with more, one process would have more silent dials under way than
/// it allows itself.
const TOGETHER: usize = 7;

/// How long a close of a pool may take.
const CLOSE: Duration = Duration::from_secs(10);

/// A pool of all four, each behind a proxy that lets nobody in yet.
struct Service {
    pool: ResourcePool,
    proxies: Vec<FaultProxy>,
}

/// How a pool with members that never come ended.
struct Refusal {
    took: Duration,
    exact: bool,
}

/// Pools that start before their servers, and pools whose servers never come.
pub(crate) async fn start(run: Run) -> Vec<Figure> {
    let (pools, latest) = (run.pick(7, 20), Duration::from_secs(run.pick(5, 20)));
    let patience = latest + Duration::from_secs(10);
    run.progress(&format!("{pools} pools whose servers come within {latest:?}"));
    let (mut beyond, mut left) = (Vec::new(), pools);
    while left > 0 {
        let together = left.min(TOGETHER);
        let late = (0..together).map(|at| late(left - at, latest, patience));
        beyond.extend(join_all(late).await);
        left -= together;
    }

    let deadline = Duration::from_secs(run.pick(3, 10));
    run.progress(&format!("pools with members that never come, given {deadline:?}"));
    let refused = join_all((0..TOGETHER).map(|at| never(at, deadline))).await;
    let took: Vec<_> = refused.iter().map(|refusal| refusal.took).collect();
    let inexact = refused.iter().filter(|refusal| !refusal.exact).count();
    let optional = join_all((0..TOGETHER).map(|at| without_optional(at, deadline))).await;
    let not_ready = optional.iter().filter(|ready| !**ready).count();
    vec![
        Figure::seconds("all connected after the last server", &beyond).p99_at_most(1.0).note(
            "with delays of 250 ms at most and unlimited attempts; half of the ports refuse first, half are silent",
        ),
        Figure::count("errors that don't name exactly the missing", inexact).of(TOGETHER).is(0.0),
        Figure::seconds("until the error", &took)
            .p99_at_most((deadline + Duration::from_millis(250)).as_secs_f64()),
        Figure::count("pools that an optional member kept from starting", not_ready)
            .of(TOGETHER)
            .is(0.0),
    ]
}

/// How long after its last server a pool was connected.
async fn late(at: usize, latest: Duration, patience: Duration) -> Duration {
    let service = Service::new(&format!("late-{at}"), patience, &[]).await;
    let delays: Vec<_> = service.proxies.iter().map(|_| latest.mul_f64(fastrand::f64())).collect();
    let began = Instant::now();
    let come = service.proxies.iter().zip(&delays).map(|(proxy, delay)| async move {
        until((began + *delay).into()).await;
        proxy.heal();
    });
    let (connected, _) = tokio::join!(service.pool.connect(), join_all(come));
    let took = began.elapsed();
    connected.unwrap_or_else(|error| panic!("{error}"));
    service.close().await;
    took.saturating_sub(delays.into_iter().max().unwrap_or_default())
}

/// Two required members never come, one because it is refused and one in silence; an optional one
/// neither.
async fn never(at: usize, deadline: Duration) -> Refusal {
    let [absent, silent, optional, present] = [0, 1, 2, 3].map(|which| (which + at) % 4);
    let service = Service::new(&format!("never-{at}"), deadline, &[optional]).await;
    service.proxies[present].heal();
    service.proxies[absent].set(Faults::refused());
    service.proxies[optional].set(Faults::refused());
    service.proxies[silent].set(Faults { door: Door::Silent, ..Faults::default() });
    let began = Instant::now();
    let error = service.pool.connect().await.expect_err("two never come");
    let took = began.elapsed();
    let mut named: Vec<_> =
        error.failures.iter().map(|error| error.resource().to_owned()).collect();
    let mut wanted = [absent, silent].map(|at| System::ALL[at].name().to_owned());
    named.sort();
    wanted.sort();
    let there = service.state(present) == State::Ready;
    service.close().await;
    Refusal { took, exact: named == wanted && there }
}

/// Whether a pool starts although an optional member never comes.
async fn without_optional(at: usize, deadline: Duration) -> bool {
    let optional = at % 4;
    let service = Service::new(&format!("optional-{at}"), deadline, &[optional]).await;
    for (at, proxy) in service.proxies.iter().enumerate() {
        if at != optional {
            proxy.heal();
        }
    }
    let connected = service.pool.connect().await.is_ok() && service.pool.is_ready();
    let missing = service.state(optional) != State::Ready;
    service.close().await;
    connected && missing
}

impl Service {
    /// A pool of all four that nobody has connected yet. It tries for as long as `patience`.
    async fn new(name: &str, patience: Duration, optional: &[usize]) -> Self {
        let settings = Settings {
            connect_attempts: u32::MAX,
            connect_deadline: patience,
            backoff_cap: Duration::from_millis(250),
            ..Settings::default()
        };
        let (mut proxies, mut resources) = (Vec::new(), Vec::new());
        for (at, system) in System::ALL.into_iter().enumerate() {
            let server = servers::shared(system).await;
            let url = match system {
                System::RabbitMq => RabbitMq::url(server, name).await,
                _ => server.url(),
            };
            let proxy = FaultProxy::open(server.port()).await;
            let door = if at % 2 == 0 { Door::Refuse } else { Door::Silent };
            proxy.set(Faults { door, ..Faults::default() });
            let target = Target::parse(system.name(), &proxy.url(&url)).unwrap();
            let required = !optional.contains(&at);
            resources.push(ResourceConfig {
                target,
                settings: settings.clone(),
                required,
                group: None,
            });
            proxies.push(proxy);
        }
        let config = Config { resources, shutdown_timeout: CLOSE, ..Config::default() };
        Self { pool: ResourcePool::from_config(&config).unwrap(), proxies }
    }

    fn state(&self, at: usize) -> State {
        self.pool.status()[at].state
    }

    async fn close(self) {
        let report = self.pool.close(CLOSE).await;
        assert!(report.is_clean(), "{report}");
    }
}

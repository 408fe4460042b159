//! E28: a pool of all four, for long, with faults at random.

mod fault;
mod ledger;
mod life;

use crate::census::{Census, Watch, panics};
use crate::run::Run;
use futures_util::future::try_join_all;
use integration_tests::experiment::Figure;
use ledger::Ledger;
use life::live;
use qa_pool::core::Target;
use qa_pool::{Config, ResourceConfig, ResourcePool, Settings};
use qa_servers::proxy::FaultProxy;
use qa_servers::{Server, System};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Until nothing is left of the pool.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pools of drivers have now more connections and now fewer. A leak at each fault would be ten times
/// that in ten minutes.
const POOLS: f64 = 16.0;

/// A connection has a file here, and two in the proxy, which is of this process too.
const FILES: f64 = 3.0 * POOLS;

/// What the driver's pool grew by is closed again before the next fault, on average. A minute, as is
/// the default, has it grow from fault to fault where several have many wait, and hides a leak.
const BRIEFLY: &str = "&maxIdleTimeMS=5000";

/// So do a runtime's threads for blocking work.
const BLOCKING: f64 = 4.0;

/// A thread for blocking work that has none ends after ten seconds.
const IDLE: Duration = Duration::from_secs(11);

/// A server, the bad network in front of it, and what became of the operations.
struct Place {
    server: Server,
    proxy: FaultProxy,
    ledger: Ledger,
}

impl Place {
    async fn open(system: System) -> Result<Arc<Self>, qa_servers::Error> {
        let server = Server::start_owned(system).await?;
        let proxy = FaultProxy::open(server.port()).await;
        Ok(Arc::new(Self { server, proxy, ledger: Ledger::default() }))
    }

    fn name(&self) -> &'static str {
        self.server.system().name()
    }

    fn resource(&self) -> ResourceConfig {
        let mut url = self.proxy.url(&self.server.url());
        if self.server.system() == System::MongoDb {
            url.push_str(BRIEFLY);
        }
        let target = Target::parse(self.name(), &url).unwrap();
        ResourceConfig { target, settings: Settings::default(), required: true, group: None }
    }
}

/// Lets a pool live through it, and looks at what it has meanwhile and what is left of it.
pub(crate) async fn pool(run: Run) -> Vec<Figure> {
    let length = run.soak.unwrap_or(run.pick(Duration::from_secs(20), Duration::from_secs(600)));
    let between = Duration::from_secs(run.pick(3, 10));
    panics();
    let places = try_join_all(System::ALL.map(Place::open)).await.unwrap();
    // The first life starts what a driver starts once in a process.
    let first = connected(&places).await;
    assert!(first.close(SHUTDOWN_TIMEOUT).await.is_clean(), "the first life");
    drop(first);
    let before = at_rest().await;
    let pool = connected(&places).await;
    let watch = Watch::start(length, !run.short);
    let mut lives = JoinSet::new();
    for place in &places {
        let (pool, place, end) = (pool.clone(), place.clone(), Instant::now() + length);
        lives.spawn(async move { live(&pool, &place, end, between).await });
    }
    run.progress(&format!("all four, for {length:?}"));
    while let Some(lived) = lives.join_next().await {
        lived.unwrap();
    }
    let mut figures = Vec::new();
    for place in &places {
        figures.extend(place.ledger.figures(place.name()));
    }
    figures.extend([
        watch.growth("memory (KiB)", |census| census.memory_kib, 1024.0),
        watch.growth("open files", |census| census.files, FILES),
        watch.growth("tasks", |census| census.tasks, POOLS),
        watch.growth("threads", |census| census.threads, BLOCKING),
    ]);
    drop(watch);
    let report = pool.close(SHUTDOWN_TIMEOUT).await;
    let forced = report.resources.iter().filter(|report| !report.is_clean()).count();
    figures.push(Figure::count("resources that were forced to close", forced).is(0.0));
    drop(pool);
    figures.extend(left(before).await);
    figures.push(Figure::count("panics", panics()).is(0.0));
    figures
}

async fn connected(places: &[Arc<Place>]) -> ResourcePool {
    let resources = places.iter().map(|place| place.resource()).collect();
    let config = Config { resources, shutdown_timeout: SHUTDOWN_TIMEOUT, ..Config::default() };
    let pool = ResourcePool::from_config(&config).unwrap();
    pool.connect().await.unwrap();
    pool
}

/// What there is once nothing has changed for longer than a thread waits for blocking work.
async fn at_rest() -> Census {
    let (mut ticks, deadline) = (interval(Duration::from_millis(100)), Instant::now() + PATIENCE);
    let (mut seen, mut since) = (Census::take(), Instant::now());
    while since.elapsed() < IDLE && Instant::now() < deadline {
        ticks.tick().await;
        let now = Census::take();
        if now.beyond(&seen) != [0; 3] || seen.beyond(&now) != [0; 3] {
            (seen, since) = (now, Instant::now());
        }
    }
    seen
}

/// What there is beyond what there was before the pool, once nothing goes any more.
async fn left(before: Census) -> [Figure; 3] {
    let (mut ticks, deadline) = (interval(Duration::from_millis(100)), Instant::now() + PATIENCE);
    let mut more = Census::take().beyond(&before);
    while more != [0; 3] && Instant::now() < deadline {
        ticks.tick().await;
        more = Census::take().beyond(&before);
    }
    let [files, tasks, threads] = more;
    [("files", files), ("tasks", tasks), ("threads", threads)]
        .map(|(what, more)| Figure::count(&format!("{what} left of the pool"), more).is(0.0))
}

//! B8: many resources, connected and closed.

use super::operations::{Bare, prepared};
use super::{AS_BARE_TIME, GOODBYE, NO_LONGER, all};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::contest::{Contest, Doing, Party};
use anyhow::{Result, ensure};
use futures_util::future::{join_all, try_join_all};
use qa_pool::amqp::RabbitMq;
use qa_pool::clickhouse::ClickHouse;
use qa_pool::core::{Resource, Target};
use qa_pool::mongo::MongoDb;
use qa_pool::redis::Redis;
use qa_pool::{Backend, Group, ResourcePool, Settings};
use qa_servers::System;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OnceCell;

const UNITS: &[&str] = &["ms to connect", "ms to close"];

/// Who touches first.
const TASKS: usize = 100;

/// What to connect: the systems in turn, with their URLs.
type Wanted = Vec<(System, String)>;

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    for driver in ["mongodb", "lapin", "clickhouse", "redis"] {
        bench.driver(driver);
    }
    let mut urls = Vec::new();
    // The quickest first: where there is one, it is that.
    for system in [System::Redis, System::MongoDb, System::ClickHouse, System::RabbitMq] {
        urls.push((system, prepared(&*bench.servers.get(system).await?).await?));
    }
    for count in bench.pick(vec![1, 4], vec![1, 4, 100]) {
        let wanted: Wanted = urls.iter().cycle().take(count).cloned().collect();
        // One has nobody to be quicker than.
        let budget = if count == 1 { Budget::None } else { NO_LONGER };
        let contest = Contest::new("the four in turn", UNITS, "a pool", pool(&wanted))
            .at("resources", u32::try_from(count)?)
            .rounds_at_most(10)
            .beside("bare, one after the other", &[budget], in_line(&wanted))
            .beside("bare, all at once", &[], at_once(&wanted));
        bench.hold(contest).await?;
    }
    let title = "W12 the four, first touched by 100 tasks at once";
    let contest = Contest::new(title, &["ms"], "a pool", touched_pool(&urls))
        .rounds_at_most(10)
        .beside("bare, in cells that are set once", &[AS_BARE_TIME], touched_cells(&urls));
    bench.hold(contest).await
}

fn pool(wanted: &Wanted) -> impl Party + 'static {
    let wanted = wanted.clone();
    Doing(move || {
        let wanted = wanted.clone();
        async move {
            let began = Instant::now();
            let pool = made(&wanted)?;
            pool.connect().await?;
            let connected = began.elapsed();
            let closing = Instant::now();
            let report = pool.close(GOODBYE).await;
            ensure!(report.is_clean(), "{report}");
            Ok(vec![connected.as_secs_f64() * 1e3, closing.elapsed().as_secs_f64() * 1e3])
        }
    })
}

/// A pool of these, which has connected nothing yet.
fn made(wanted: &Wanted) -> Result<ResourcePool> {
    let pool = ResourcePool::new();
    for (number, (system, url)) in wanted.iter().enumerate() {
        let target = Target::parse(format!("{system}-{number}"), url)?;
        match system {
            System::MongoDb => add(&pool, &target, MongoDb::new(&target)?)?,
            System::RabbitMq => add(&pool, &target, RabbitMq::new(&target)?)?,
            System::ClickHouse => add(&pool, &target, ClickHouse::new(&target)?)?,
            System::Redis => add(&pool, &target, Redis::new(&target)?)?,
        }
    }
    Ok(pool)
}

/// Tasks that each want all four, each in an order of its own: the first who touches one connects it, and all
/// others wait for that.
fn touched_pool(wanted: &Wanted) -> impl Party + 'static {
    let wanted = wanted.clone();
    Doing(move || {
        let wanted = wanted.clone();
        async move {
            let pool = made(&wanted)?;
            let took = all(TASKS, |task| {
                let pool = pool.clone();
                async move {
                    for turn in 0..4 {
                        touch(&pool, task + turn).await?;
                    }
                    Ok(())
                }
            });
            let took = took.await?;
            let report = pool.close(GOODBYE).await;
            ensure!(report.is_clean(), "{report}");
            Ok(vec![took.as_secs_f64() * 1e3])
        }
    })
}

/// Takes a lease of one of the four.
async fn touch(pool: &ResourcePool, number: usize) -> Result<()> {
    match number % 4 {
        0 => drop(pool.redis()?.acquire().await?),
        1 => drop(pool.mongo()?.acquire().await?),
        2 => drop(pool.clickhouse()?.acquire().await?),
        _ => drop(pool.amqp()?.acquire().await?),
    }
    Ok(())
}

/// The same with what people write who have no pool: a cell for each client, which the first one sets.
fn touched_cells(wanted: &Wanted) -> impl Party + 'static {
    let wanted = Arc::new(wanted.clone());
    Doing(move || {
        let wanted = Arc::clone(&wanted);
        async move {
            let cells: Arc<Vec<OnceCell<Bare>>> =
                Arc::new(wanted.iter().map(|_| OnceCell::new()).collect());
            let took = all(TASKS, |task| {
                let (cells, wanted) = (Arc::clone(&cells), Arc::clone(&wanted));
                async move {
                    for turn in 0..cells.len() {
                        let at = (task + turn) % cells.len();
                        let (system, url) = &wanted[at];
                        cells[at].get_or_try_init(|| Bare::connect(*system, url)).await?;
                    }
                    Ok(())
                }
            });
            let took = took.await?;
            let cells = Arc::into_inner(cells).unwrap_or_default();
            for cell in cells.into_iter().filter_map(OnceCell::into_inner) {
                cell.close().await?;
            }
            Ok(vec![took.as_secs_f64() * 1e3])
        }
    })
}

fn add<B: Backend>(pool: &ResourcePool, target: &Target, backend: B) -> Result<()> {
    let resource = Resource::new(Arc::clone(&target.name), backend, Settings::default());
    pool.add(Group::from(resource))?;
    Ok(())
}

fn in_line(wanted: &Wanted) -> impl Party + 'static {
    let wanted = wanted.clone();
    Doing(move || {
        let wanted = wanted.clone();
        async move {
            let (began, mut clients) = (Instant::now(), Vec::new());
            for (system, url) in &wanted {
                clients.push(Bare::connect(*system, url).await?);
            }
            let connected = began.elapsed();
            let closing = Instant::now();
            for client in clients.into_iter().rev() {
                client.close().await?;
            }
            Ok(vec![connected.as_secs_f64() * 1e3, closing.elapsed().as_secs_f64() * 1e3])
        }
    })
}

fn at_once(wanted: &Wanted) -> impl Party + 'static {
    let wanted = wanted.clone();
    Doing(move || {
        let wanted = wanted.clone();
        async move {
            let began = Instant::now();
            let clients = wanted.iter().map(|(system, url)| Bare::connect(*system, url));
            let clients = try_join_all(clients).await?;
            let connected = began.elapsed();
            let closing = Instant::now();
            for closed in join_all(clients.into_iter().map(Bare::close)).await {
                closed?;
            }
            Ok(vec![connected.as_secs_f64() * 1e3, closing.elapsed().as_secs_f64() * 1e3])
        }
    })
}

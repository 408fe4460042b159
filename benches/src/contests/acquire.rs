//! B1: what a lease costs.

use super::{GOODBYE, all, instructions};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::contest::{Contest, number};
use crate::nothing::Nothing;
use crate::parties::Fresh;
use anyhow::{Context, Result, anyhow, bail};
use arc_swap::ArcSwap;
use qa_pool::core::{ErrorKind, Resource};
use qa_pool::{Group, Settings};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::RwLock;

/// Uncontended, and when 64 tasks do it at once, on however many cores there are.
const ALONE: Budget = Budget::AtMost(5.0);
const TOGETHER: Budget = Budget::AtMost(8.0);

/// So many operations between two looks at who else wants to run.
const TURN: usize = 64;

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    for (tasks, budget) in [(1, ALONE), (8, TOGETHER), (64, TOGETHER)] {
        bench.hold(contest(bench, tasks, budget)).await?;
    }
    let each = bench.pick(10_000, 1_000_000);
    let party = |what| fresh(what, 1, each);
    let awaited = Contest::new("awaited, 1 task", &["ns"], "a group's lease", party("group"));
    bench.hold(awaited.beside("tokio's RwLock", &[], party("awaited-lock"))).await?;
    instructions::hold(bench).await
}

/// Many tasks that acquire and drop, without waiting.
pub(super) fn contest(bench: &Bench, tasks: u32, budget: Budget) -> Contest {
    let total = bench.pick(20_000, 4_000_000);
    let party = |what| fresh(what, tasks, total);
    Contest::new("acquire and drop", &["ns"], "a lease", party("lease"))
        .at("tasks", tasks)
        .beside("a clone of an Arc", &[budget], party("arc"))
        .beside("a load of an ArcSwap", &[], party("swap"))
        .beside("a clone in a RwLock", &[], party("lock"))
}

/// So many calls in all, by so many tasks, in a process that is new for each round: where things lie in memory
/// and how the threads fall makes more of a difference than ten rounds of one process show.
fn fresh(what: &str, tasks: u32, total: usize) -> Fresh {
    let name = format!("acquire-{what}");
    Fresh { name, url: String::new(), line: format!("{tasks} {total}"), each: 1 }
}

/// A round in such a process, after one to warm up: seconds, and nanoseconds for each call.
pub(crate) async fn round(what: &str, line: &str) -> Result<Vec<f64>> {
    let (tasks, total) = line.split_once(' ').context("it is told how many tasks, and calls")?;
    let (tasks, total) = (tasks.parse()?, total.parse()?);
    once(what, tasks, total).await?;
    let (took, calls) = once(what, tasks, total).await?;
    let seconds = took.as_secs_f64();
    Ok(vec![seconds, seconds * 1e9 / number(calls)])
}

/// How long it took, and how many calls it were.
async fn once(what: &str, tasks: usize, total: usize) -> Result<(Duration, usize)> {
    let each = (total / tasks).max(TURN);
    let took = match what {
        "lease" => leases(tasks, each).await?,
        "arc" => {
            let arc = Arc::new(7_u64);
            many(tasks, each, move || {
                black_box(Arc::clone(&arc));
                Ok(())
            })
            .await?
        }
        "swap" => {
            let swap = Arc::new(ArcSwap::from_pointee(7_u64));
            many(tasks, each, move || {
                black_box(**swap.load());
                Ok(())
            })
            .await?
        }
        "lock" => {
            let locked = Arc::new(std::sync::RwLock::new(Arc::new(7_u64)));
            many(tasks, each, move || {
                let client = locked.read().map_err(|_| ErrorKind::Operation)?;
                black_box(Arc::clone(&client));
                Ok(())
            })
            .await?
        }
        "group" => group_leases(tasks, each).await?,
        "awaited-lock" => awaited_locks(tasks, each).await?,
        _ => bail!("nothing is acquired that is called {what}"),
    };
    Ok((took, tasks * each))
}

async fn leases(tasks: usize, each: usize) -> Result<Duration> {
    let resource = ready().await?;
    let own = resource.clone();
    let took = many(tasks, each, move || {
        drop(black_box(own.try_acquire().map_err(|error| error.kind())?));
        Ok(())
    })
    .await?;
    resource.close(GOODBYE).await;
    Ok(took)
}

async fn group_leases(tasks: usize, each: usize) -> Result<Duration> {
    let resource = ready().await?;
    let group = Group::from(&resource);
    let took = all(tasks, |_| {
        let group = group.clone();
        async move {
            for _ in 0..each {
                drop(group.acquire().await.map_err(|error| anyhow!(error))?);
            }
            Ok(())
        }
    })
    .await?;
    resource.close(GOODBYE).await;
    Ok(took)
}

async fn awaited_locks(tasks: usize, each: usize) -> Result<Duration> {
    let locked = Arc::new(RwLock::new(Arc::new(7_u64)));
    all(tasks, |_| {
        let locked = Arc::clone(&locked);
        async move {
            for _ in 0..each {
                black_box(Arc::clone(&*locked.read().await));
            }
            Ok(())
        }
    })
    .await
}

/// Tasks that call this so often each, without waiting.
async fn many<C>(tasks: usize, each: usize, call: C) -> Result<Duration>
where
    C: Fn() -> Result<(), ErrorKind> + Clone + Send + Sync + 'static,
{
    all(tasks, |_| turns(each, call.clone())).await
}

/// Calls it so often, without waiting.
async fn turns(each: usize, call: impl Fn() -> Result<(), ErrorKind>) -> Result<()> {
    for nth in 0..each {
        call().map_err(|kind| anyhow!("a lease was refused: {kind}"))?;
        if nth % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

pub(super) async fn ready() -> Result<Resource<Nothing>> {
    let resource = Resource::new("bench", Nothing, Settings::default());
    resource.connect().await?;
    Ok(resource)
}

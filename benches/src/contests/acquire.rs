//! B1: what a lease costs.

use super::{GOODBYE, all, instructions};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::contest::{Contest, Doing, Party, number};
use crate::nothing::Nothing;
use anyhow::{Result, anyhow};
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
    let resource = ready().await?;
    for (tasks, budget) in [(1, ALONE), (8, TOGETHER), (64, TOGETHER)] {
        bench.hold(contest(bench, &resource, tasks, budget)).await?;
    }
    let group = Group::from(&resource);
    let each = bench.pick(10_000, 1_000_000);
    let waiting = waiting(each, move || {
        let group = group.clone();
        async move { group.acquire().await.map(drop).map_err(|error| anyhow!(error)) }
    });
    let locked = Arc::new(RwLock::new(Arc::new(7_u64)));
    let lock = self::waiting(each, move || {
        let locked = Arc::clone(&locked);
        async move {
            black_box(Arc::clone(&*locked.read().await));
            Ok(())
        }
    });
    let awaited = Contest::new("awaited, 1 task", &["ns"], "a group's lease", waiting);
    bench.hold(awaited.beside("tokio's RwLock", &[], lock)).await?;
    resource.close(GOODBYE).await;
    instructions::hold(bench).await
}

/// Many tasks that acquire and drop, without waiting.
pub(super) fn contest(
    bench: &Bench,
    resource: &Resource<Nothing>,
    tasks: u32,
    budget: Budget,
) -> Contest {
    let (resource, arc) = (resource.clone(), Arc::new(7_u64));
    let (swap, locked) =
        (Arc::new(ArcSwap::from_pointee(7_u64)), Arc::new(std::sync::RwLock::new(Arc::new(7_u64))));
    let total = bench.pick(20_000, 4_000_000);
    let lease = many(total, tasks, move || {
        drop(black_box(resource.try_acquire().map_err(|error| error.kind())?));
        Ok(())
    });
    let clone = many(total, tasks, move || {
        black_box(Arc::clone(&arc));
        Ok(())
    });
    let load = many(total, tasks, move || {
        black_box(**swap.load());
        Ok(())
    });
    let lock = many(total, tasks, move || {
        let client = locked.read().map_err(|_| ErrorKind::Operation)?;
        black_box(Arc::clone(&client));
        Ok(())
    });
    Contest::new("acquire and drop", &["ns"], "a lease", lease)
        .at("tasks", tasks)
        .beside("a clone of an Arc", &[budget], clone)
        .beside("a load of an ArcSwap", &[], load)
        .beside("a clone in a RwLock", &[], lock)
}

/// A party of many tasks that call this again and again, so often in all; nanoseconds for each call.
fn many<W>(total: usize, tasks: u32, work: W) -> impl Party + 'static
where
    W: Fn() -> Result<(), ErrorKind> + Clone + Send + Sync + 'static,
{
    let tasks = usize::try_from(tasks).unwrap_or(usize::MAX);
    let each = (total / tasks).max(TURN);
    Doing(move || {
        let work = work.clone();
        async move {
            let took = all(tasks, |_| turns(each, work.clone())).await?;
            Ok(vec![nanoseconds(took, tasks * each)])
        }
    })
}

async fn turns(each: usize, work: impl Fn() -> Result<(), ErrorKind>) -> Result<()> {
    for nth in 0..each {
        work().map_err(|kind| anyhow!("a lease was refused: {kind}"))?;
        if nth % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// A party of one task that awaits one call after the other; nanoseconds for each.
fn waiting<F, Fut>(each: usize, call: F) -> impl Party + 'static
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    Doing(move || {
        let call = call.clone();
        async move {
            let calls = |_| {
                let call = call.clone();
                async move {
                    for _ in 0..each {
                        call().await?;
                    }
                    Ok(())
                }
            };
            Ok(vec![nanoseconds(all(1, calls).await?, each)])
        }
    })
}

fn nanoseconds(took: Duration, of: usize) -> f64 {
    took.as_secs_f64() * 1e9 / number(of)
}

pub(super) async fn ready() -> Result<Resource<Nothing>> {
    let resource = Resource::new("bench", Nothing, Settings::default());
    resource.connect().await?;
    Ok(resource)
}

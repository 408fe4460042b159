//! B10: how cost grows with tasks and with resources.

use super::{AS_BARE, GOODBYE, acquire, all, bare, connected};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::contest::{Contest, rate};
use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use qa_pool::core::Resource;
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncCommands;
use qa_pool::redis::redis::aio::MultiplexedConnection;
use qa_servers::System;
use std::sync::Arc;

const TASKS: usize = 100;
/// Connects of bare drivers that are under way at once; a process of ours has a bound of its own.
const AT_ONCE: usize = 32;

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    for tasks in [1, 10, 100, 1_000, 10_000] {
        bench.hold(acquire::contest(bench, tasks, Budget::None)).await?;
    }
    bench.driver("redis");
    let url = bench.servers.url(System::Redis).await?;
    let mut bare = bare::redis(&url).await?;
    let () = bare.set("key", "value").await?;
    for count in bench.pick(vec![1, 10], vec![1, 10, 100, 1_000]) {
        let connect = |_| connected(&url, Redis::new);
        let ours = try_join_all((0..count).map(connect)).await?;
        // The driver gives a connect a second, in which a server does not take a thousand at once.
        let each = stream::iter(0..count).map(|_| bare::redis(&url));
        let bare = each.buffered(AT_ONCE).try_collect().await?;
        bench.hold(spread(bench, &ours, bare)?).await?;
        join_all(ours.iter().map(|resource| resource.close(GOODBYE))).await;
    }
    Ok(())
}

/// 100 tasks that read through all these resources in turn, and through as many bare connections.
fn spread(
    bench: &Bench,
    ours: &[Resource<Redis>],
    bare: Vec<MultiplexedConnection>,
) -> Result<Contest> {
    let (each, count) = (bench.pick(10, 400), ours.len());
    let (ours, bare) = (Arc::new(ours.to_vec()), Arc::new(bare));
    let through_ours = rate(TASKS * each, move || {
        all(TASKS, {
            let ours = Arc::clone(&ours);
            move |task| {
                let ours = Arc::clone(&ours);
                async move {
                    for nth in 0..each {
                        let lease = ours[(task + nth) % count].acquire().await?;
                        let _: String = lease.clone().get("key").await?;
                    }
                    Ok(())
                }
            }
        })
    });
    let through_bare = rate(TASKS * each, move || {
        all(TASKS, {
            let bare = Arc::clone(&bare);
            move |task| {
                let bare = Arc::clone(&bare);
                async move {
                    for nth in 0..each {
                        let _: String = bare[(task + nth) % count].clone().get("key").await?;
                    }
                    Ok(())
                }
            }
        })
    });
    Ok(Contest::new("GET, 100 tasks", &["commands/s"], "our resources", through_ours)
        .at("resources", u32::try_from(count)?)
        .beside("bare connections", &[AS_BARE], through_bare))
}

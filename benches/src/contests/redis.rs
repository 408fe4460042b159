//! B2: one connection for all tasks, and the pools and clients that others use.

use super::{AS_BARE, GOODBYE, NO_SLOWER, all, bare, connected, waiting};
use crate::bench::Bench;
use crate::budget::Budget;
use crate::child::Child;
use crate::contest::{Contest, Party, rate, told};
use anyhow::{Result, ensure};
use qa_pool::core::Resource;
use qa_pool::redis::Redis;
use qa_pool::redis::redis::AsyncCommands;
use qa_pool::redis::redis::aio::ConnectionLike;
use qa_servers::System;
use std::sync::Arc;
use tokio::sync::Mutex;

const PEERS: [(&str, &[Budget]); 4] = [
    ("connection-manager", &[AS_BARE]),
    ("deadpool-redis", &[NO_SLOWER]),
    ("bb8-redis", &[NO_SLOWER]),
    ("fred", &[]),
];

/// A peer: its name, its budgets, and its process.
type Peer = (&'static str, &'static [Budget], Arc<Mutex<Child>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Get,
    Set,
}

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    let server = bench.servers.get(System::Redis).await?;
    let url = server.url();
    bench.driver("redis");
    let ours = connected(&url, Redis::new).await?;
    bench.takes_part(format!("redis-server {}", version(&ours).await?));
    let mut bare = bare::redis(&url).await?;
    let () = bare.set("key", "value").await?;
    let mut peers = Vec::new();
    for (name, budgets) in PEERS {
        peers.push((name, budgets, bench.peer(name, &url).await?));
    }
    for tasks in [1_u32, 10, 100, 1000] {
        for command in [Command::Get, Command::Set] {
            let contest = contest(bench, &ours, bare.clone(), &peers, command, tasks)?;
            bench.hold(contest).await?;
        }
    }
    bench.hold(through_run(bench, &ours, bare.clone())).await?;
    bench.hold(waiting::contest(bench, &ours)).await?;
    ours.close(GOODBYE).await;
    Ok(())
}

/// The server's version.
pub(super) async fn version(redis: &Resource<Redis>) -> Result<String> {
    Ok(redis.about().await?.version.unwrap_or_else(|| "of no known version".to_owned()))
}

/// Many tasks, each with one command after the other.
fn contest(
    bench: &Bench,
    ours: &Resource<Redis>,
    bare: impl ConnectionLike + Clone + Send + Sync + 'static,
    peers: &[Peer],
    command: Command,
    amount: u32,
) -> Result<Contest> {
    let tasks = usize::try_from(amount)?;
    let total = match command {
        Command::Get => bench.pick(1_000, 40_000),
        // Each waits for the disk.
        Command::Set => bench.pick(200, 8_000),
    };
    // Else a round of many is over in a tenth of a second.
    let total = if tasks < 100 { total } else { bench.pick(1, 3) * total };
    // One task alone waits for each answer.
    let each = (if tasks == 1 { total / 10 } else { total } / tasks).max(5);
    let (word, title) = match command {
        Command::Get => ("get", "GET"),
        Command::Set => ("set", "SET"),
    };
    let alone = rate(tasks * each, move || {
        all(tasks, {
            let bare = bare.clone();
            move |_| commands(bare.clone(), command, each)
        })
    });
    let mut contest =
        Contest::new(title, &["commands/s"], "qa-redis", leased(ours, command, tasks, each))
            .at("tasks", amount)
            .beside("bare driver", &[AS_BARE], alone);
    for (name, budgets, child) in peers {
        // A pool takes many times as long: fewer are enough.
        let each = if name.ends_with("-redis") { each.div_ceil(4) } else { each };
        let told = told(child, format!("{word} {tasks} {each}"), tasks * each);
        contest = contest.beside(name, budgets, told);
    }
    Ok(contest)
}

/// Ours, with a lease for each command.
fn leased(
    ours: &Resource<Redis>,
    command: Command,
    tasks: usize,
    each: usize,
) -> impl Party + 'static {
    let ours = ours.clone();
    rate(tasks * each, move || {
        all(tasks, {
            let ours = ours.clone();
            move |_| {
                let ours = ours.clone();
                async move {
                    for _ in 0..each {
                        let lease = ours.acquire().await?;
                        one(&mut lease.clone(), command).await?;
                    }
                    Ok(())
                }
            }
        })
    })
}

async fn commands(
    mut connection: impl ConnectionLike + Send + Sync,
    command: Command,
    count: usize,
) -> Result<()> {
    for _ in 0..count {
        one(&mut connection, command).await?;
    }
    Ok(())
}

async fn one(connection: &mut (impl ConnectionLike + Send + Sync), command: Command) -> Result<()> {
    if command == Command::Set {
        let () = connection.set("key", "value").await?;
        return Ok(());
    }
    let value: String = connection.get("key").await?;
    ensure!(value == "value", "the key has another value");
    Ok(())
}

/// The same reads through `run`, which bounds each and would try it again.
fn through_run(
    bench: &Bench,
    ours: &Resource<Redis>,
    bare: impl ConnectionLike + Clone + Send + Sync + 'static,
) -> Contest {
    let (tasks, each, ours) = (100, bench.pick(10, 400), ours.clone());
    let run = rate(tasks * each, move || {
        all(tasks, {
            let ours = ours.clone();
            move |_| {
                let ours = ours.clone();
                async move {
                    for _ in 0..each {
                        let get = |lease: qa_pool::Lease<Redis>| async move {
                            lease.clone().get("key").await
                        };
                        let value: String = ours.run(get).await?;
                        ensure!(value == "value", "the key has another value");
                    }
                    Ok(())
                }
            }
        })
    });
    let alone = rate(tasks * each, move || {
        all(tasks, {
            let bare = bare.clone();
            move |_| commands(bare.clone(), Command::Get, each)
        })
    });
    Contest::new("GET through `run`, 100 tasks", &["commands/s"], "qa-redis", run).beside(
        "bare driver",
        &[AS_BARE],
        alone,
    )
}

//! B9: what connections cost that do nothing, and leases that are held.

use super::acquire::ready;
use super::operations::{Bare, Ours, prepared};
use crate::bench::Bench;
use crate::contest::{Contest, Party, number};
use crate::parties;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use qa_servers::System;
use std::sync::Arc;
use std::time::Instant;

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    for driver in ["mongodb", "lapin", "clickhouse", "redis"] {
        bench.driver(driver);
    }
    let count = bench.pick(4, 50);
    for system in System::ALL {
        let url = prepared(&*bench.servers.get(system).await?).await?;
        let fresh = |whose| Fresh {
            whose,
            url: url.clone(),
            line: format!("{system} {count}"),
            each: count,
        };
        let units = ["KiB each", "files each"];
        let contest = Contest::new(format!("idle {system}"), &units, "a resource", fresh("ours"))
            .rounds_at_most(10)
            .beside("a client of the bare driver", &[], fresh("bare"));
        bench.hold(contest).await?;
    }
    let thousands = bench.pick(10, 100);
    let fresh = |whose| Fresh {
        whose,
        url: String::new(),
        line: format!("leases {}", thousands * 1000),
        each: thousands,
    };
    let units = ["KiB each 1,000", "files each 1,000"];
    let contest = Contest::new("held", &units, "leases", fresh("ours")).rounds_at_most(10).beside(
        "clones of an Arc",
        &[],
        fresh("bare"),
    );
    bench.hold(contest).await
}

/// A process for each round.
struct Fresh {
    whose: &'static str,
    url: String,
    line: String,
    each: usize,
}

#[async_trait]
impl Party for Fresh {
    async fn round(&mut self) -> Result<Vec<f64>> {
        let child = parties::start(&format!("idle-{}", self.whose), &self.url).await?;
        let says = child.lock().await.ask(&self.line).await?;
        let [_, kib, files] = says[..] else { bail!("it said {says:?}") };
        let each = number(self.each);
        Ok(vec![kib / each, files / each])
    }
}

/// A round in such a process: seconds, and how many KiB and files it has more than before.
pub(crate) async fn round(whose: &str, url: &str, line: &str) -> Result<Vec<f64>> {
    let (what, count) = line.split_once(' ').context("it is told what, and how many")?;
    let count: usize = count.parse()?;
    let (began, before) = (Instant::now(), Census::take()?);
    let after = match (what, whose) {
        ("leases", "ours") => {
            let resource = ready().await?;
            let mut leases = Vec::with_capacity(count);
            for _ in 0..count {
                leases.push(resource.try_acquire()?);
            }
            Census::take()?
        }
        ("leases", _) => {
            let arc = Arc::new(7_u64);
            let clones: Vec<_> = (0..count).map(|_| Arc::clone(&arc)).collect();
            let census = Census::take()?;
            drop(clones);
            census
        }
        (system, "ours") => {
            let mut resources = Vec::new();
            for _ in 0..count {
                let resource = Ours::connect(system.parse()?, url).await?;
                resource.once().await?;
                resources.push(resource);
            }
            Census::take()?
        }
        (system, _) => {
            let mut clients = Vec::new();
            for _ in 0..count {
                let client = Bare::connect(system.parse()?, url).await?;
                client.once().await?;
                clients.push(client);
            }
            Census::take()?
        }
    };
    let (kib, files) = (after.kib - before.kib, after.files - before.files);
    Ok(vec![began.elapsed().as_secs_f64(), kib, files])
}

/// What this process has.
struct Census {
    kib: f64,
    files: f64,
}

impl Census {
    fn take() -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        let files = std::fs::read_dir("/proc/self/fd")?.count();
        Ok(Self { kib: kib.parse()?, files: number(files) })
    }
}

//! B9: what connections cost that do nothing, and leases that are held.

use super::acquire::ready;
use super::operations::{Bare, Ours, prepared};
use crate::bench::Bench;
use crate::contest::{Contest, number};
use crate::parties::Fresh;
use anyhow::{Context, Result};
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
        let fresh = |whose| fresh(whose, &url, format!("{system} {count}"), count);
        let units = ["KiB each", "files each"];
        let contest = Contest::new(format!("idle {system}"), &units, "a resource", fresh("ours"))
            .rounds_at_most(10)
            .beside("a client of the bare driver", &[], fresh("bare"));
        bench.hold(contest).await?;
    }
    let thousands = bench.pick(10, 100);
    let fresh = |whose| fresh(whose, "", format!("leases {}", thousands * 1000), thousands);
    let units = ["KiB each 1,000", "files each 1,000"];
    let contest = Contest::new("held", &units, "leases", fresh("ours")).rounds_at_most(10).beside(
        "clones of an Arc",
        &[],
        fresh("bare"),
    );
    bench.hold(contest).await
}

/// In a process for each round, so that what the last one left behind is not counted.
fn fresh(whose: &str, url: &str, line: String, each: usize) -> Fresh {
    Fresh { name: format!("idle-{whose}"), url: url.to_owned(), line, each }
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

//! B3: rows into ClickHouse, each party in a process of its own.

use super::tick::{Tick, tick};
use super::{AS_BARE, GOODBYE, NO_SLOWER, bare, connected};
use crate::bench::Bench;
use crate::child::Child;
use crate::contest::{Contest, Party, Told, number};
use crate::parties;
use anyhow::{Context, Result, bail, ensure};
use qa_pool::Group;
use qa_pool::clickhouse::clickhouse::Client;
use qa_pool::clickhouse::{BatchOptions, Batcher, ClickHouse, SpillOptions, Table};
use qa_servers::System;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Rows of one insert.
pub(super) const BATCH: u64 = 50_000;
/// Rows after which one who spills waits for the disk.
const CHUNK: u64 = 10_000;

const UNITS: &[&str] = &["rows/s", "MiB at the most"];

pub(crate) async fn hold(bench: &mut Bench) -> Result<()> {
    let url = bench.servers.url(System::ClickHouse).await?;
    bench.driver("clickhouse");
    let ours = connected(&url, ClickHouse::new).await?;
    let version = ours.about().await?.version.unwrap_or_default();
    bench.takes_part(format!("clickhouse-server {version}"));
    Table::ticks("ticks_inserter").create(&Group::from(&ours)).await?;
    ours.close(GOODBYE).await;
    // Several batches, in the short form too.
    let rows = bench.pick(200_000, 800_000);
    let inserter = bench.peer("inserter", &url).await?;
    for (how, title) in
        [("batcher", "through the batcher"), ("spill", "through the batcher, by way of the disk")]
    {
        // What is written to the disk first has no budget.
        let judged = |budget| if how == "batcher" { vec![budget] } else { vec![] };
        let start = async |how: &str| {
            let child = parties::start(&format!("ingest-{how}"), &url).await?;
            Ok::<_, anyhow::Error>(party(&child, rows))
        };
        let contest = Contest::new(title, UNITS, "qa-clickhouse", start(how).await?)
            .rounds_at_most(10)
            .beside("bare Insert of all rows", &judged(AS_BARE), start("insert").await?)
            .beside("bare Insert of each 50,000", &judged(AS_BARE), start("inserts").await?)
            .beside("bare Inserter", &judged(NO_SLOWER), party(&inserter, rows));
        bench.hold(contest).await?;
    }
    Ok(())
}

fn party(child: &Arc<Mutex<Child>>, rows: usize) -> impl Party + 'static + use<> {
    let made = move |says: &[f64]| vec![number(rows) / says[0], says[1]];
    Told { child: Arc::clone(child), line: format!("insert {rows}"), made }
}

/// A round in such a process: seconds, and the most memory that the process had, in MiB.
pub(crate) async fn round(how: &str, url: &str, line: &str) -> Result<Vec<f64>> {
    let rows =
        line.strip_prefix("insert ").context("it is told to insert so many rows")?.parse()?;
    let ours = connected(url, ClickHouse::new).await?;
    let (group, table) = (Group::from(&ours), format!("ticks_{how}"));
    let client = bare::clickhouse(url)?;
    Table::ticks(&table).create(&group).await?;
    client.query(&format!("TRUNCATE TABLE {table}")).execute().await?;
    let began = Instant::now();
    match how {
        "batcher" => batched(&group, &table, rows, None).await?,
        "spill" => {
            let folder = tempfile::tempdir()?;
            batched(&group, &table, rows, Some(SpillOptions::new(folder.path()))).await?;
        }
        "insert" => inserted(&client, &table, rows, rows).await?,
        "inserts" => inserted(&client, &table, rows, BATCH).await?,
        _ => bail!("there is no way {how} to insert"),
    }
    let took = began.elapsed();
    let stored: u64 = client.query(&format!("SELECT count() FROM {table}")).fetch_one().await?;
    ensure!(stored == rows, "{stored} rows were stored, of {rows}");
    // What is there would be merged while others have their turn.
    client.query(&format!("TRUNCATE TABLE {table}")).execute().await?;
    ours.close(GOODBYE).await;
    Ok(vec![took.as_secs_f64(), peak()?])
}

/// Through a batcher, to its end.
pub(super) async fn batched(
    group: &Group<ClickHouse>,
    table: &str,
    rows: u64,
    spill: Option<SpillOptions>,
) -> Result<()> {
    let options = BatchOptions { max_rows: usize::try_from(BATCH)?, ..BatchOptions::default() };
    let batcher = Batcher::<Tick>::builder(group, table).options(options);
    let batcher = match spill {
        Some(spill) => batcher.spill(spill),
        None => batcher,
    };
    let batcher = batcher.start().await?;
    let mut next = 0;
    while next < rows {
        let end = rows.min(next + CHUNK);
        // Each row is made as it is handed over, as the others make theirs.
        batcher.push_all((next..end).map(tick)).await.map_err(|refused| refused.error)?;
        next = end;
    }
    let report = batcher.close(Duration::from_secs(120)).await;
    ensure!(report.is_clean() && report.refused == 0, "{report}");
    Ok(())
}

/// With one bare insert for each so many, under a token of its own, as the batcher's are.
pub(super) async fn inserted(client: &Client, table: &str, rows: u64, each: u64) -> Result<()> {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let round = ROUNDS.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let mut next = 0;
    while next < rows {
        let end = rows.min(next + each);
        let insert = client.insert::<Tick>(table).await?;
        let token = format!("{process}-{round}-{next}");
        let mut insert = insert.with_setting("insert_deduplication_token", token);
        for number in next..end {
            insert.write(&tick(number)).await?;
        }
        insert.end().await?;
        next = end;
    }
    Ok(())
}

/// The most memory that this process had at any time, in MiB.
fn peak() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

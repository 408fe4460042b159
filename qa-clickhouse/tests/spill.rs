//! The batcher's rows on the disk: what a push has taken outlives our process.

mod common;

use clickhouse::Row;
use common::{PATIENCE, backend, execute, resource, shared, target};
use qa_clickhouse::{BatchOptions, Batcher, ClickHouse, SpillOptions, clickhouse};
use qa_resource_core::{ErrorKind, Group, Resource, Settings};
use qa_servers::testing::{eventually, within};
use qa_servers::{Server, System};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[derive(Row, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Tick {
    n: u64,
    code: String,
    price: Option<f64>,
    levels: Vec<u32>,
}

fn tick(n: u64) -> Tick {
    let price = (!n.is_multiple_of(3)).then_some(1.5);
    Tick { n, code: format!("code{}", n % 7), price, levels: vec![1, 2] }
}

fn ticks(numbers: Range<u64>) -> impl Iterator<Item = Tick> {
    numbers.map(tick)
}

async fn table(bars: &Resource<ClickHouse>, name: &str) {
    execute(bars, &format!("DROP TABLE IF EXISTS {name} SYNC")).await;
    let columns =
        "n UInt64, code LowCardinality(String), price Nullable(Float64), levels Array(UInt32)";
    let settings = "SETTINGS non_replicated_deduplication_window = 10000";
    let engine = format!("ENGINE = MergeTree ORDER BY n {settings}");
    execute(bars, &format!("CREATE TABLE {name} ({columns}) {engine}")).await;
}

/// Rows, and distinct ones.
async fn counts(bars: &Resource<ClickHouse>, table: &str) -> (u64, u64) {
    let sql = format!("SELECT count(), uniqExact(n) FROM {table}");
    let sql = sql.as_str();
    bars.run(|lease| async move { lease.query(sql).fetch_one().await }).await.unwrap()
}

async fn batcher(
    bars: impl Into<Group<ClickHouse>>,
    table: &str,
    folder: &Path,
    options: BatchOptions,
) -> Batcher<Tick> {
    let builder = Batcher::builder(bars, table).options(options).spill(SpillOptions::new(folder));
    builder.start().await.unwrap()
}

fn files(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".rows")).count()
}

const PARENT: &str = "QA_SPILL_PARENT";
const CHUNK: u64 = 50;

/// What the child does: it pushes, says what was taken, and never ends by itself. It is no test where
/// nobody has started it for that.
#[tokio::test]
async fn pushes_until_it_is_killed() {
    let Ok(from_parent) = std::env::var(PARENT) else { return };
    let [url, folder, start] = from_parent.split('|').collect::<Vec<_>>()[..] else {
        panic!("it was started in another way");
    };
    let bars =
        Resource::new("bars", ClickHouse::new(&target("bars", url)).unwrap(), Settings::default());
    let options = BatchOptions {
        max_rows: 300,
        max_age: Duration::from_millis(50),
        ..BatchOptions::default()
    };
    let batcher = batcher(&bars, "survived", Path::new(folder), options).await;
    let mut next: u64 = start.parse().unwrap();
    loop {
        batcher.push_all(ticks(next..next + CHUNK)).await.unwrap();
        next += CHUNK;
        // Past the harness, which keeps what a test prints.
        writeln!(std::io::stderr(), "taken {next}").unwrap();
    }
}

/// Kills a child that pushes from `start` on once it has pushed so many; gives the first number that
/// it did not say was taken.
fn killed_after(url: &str, folder: &Path, start: u64, rows: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pushes_until_it_is_killed", "--nocapture"])
        .env(PARENT, format!("{url}|{}|{start}", folder.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let taken = lines.filter_map(|line| line.strip_prefix("taken ")?.parse().ok());
    let mut next = start;
    for taken in taken {
        next = taken;
        if next >= start + rows {
            // It goes on pushing until the signal is there.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(next >= start + rows, "the child ended by itself after {} rows", next - start);
    next
}

#[tokio::test]
async fn nothing_that_was_taken_is_lost_although_our_process_is_killed_again_and_again() {
    const ROUND: u64 = 1_000_000;
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, Settings::default()).await;
    table(&bars, "survived").await;
    let home = tempfile::tempdir().unwrap();
    let (url, folder) = (server.url(), home.path().to_owned());
    let mut taken = Vec::new();
    for round in 0..5 {
        // In the middle the rows have nowhere to go but to the disk.
        if round == 2 {
            server.kill().await.unwrap();
        }
        let (url, folder) = (url.clone(), folder.clone());
        let kill = move || killed_after(&url, &folder, round * ROUND, 400 + 450 * round);
        let next =
            within("a child", 3 * PATIENCE, tokio::task::spawn_blocking(kill)).await.unwrap();
        taken.push(round * ROUND..next);
        if round == 2 {
            assert!(files(home.path()) > 1, "batches of its rows are on the disk");
            server.start_again().await.unwrap();
        }
    }
    within("the server is back", PATIENCE, bars.connect()).await.unwrap();
    let batcher = batcher(&bars, "survived", &folder, BatchOptions::default()).await;
    let report = batcher.close(2 * PATIENCE).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(files(&folder), 0);
    for taken in &taken {
        let (start, end) = (taken.start, taken.end);
        let sql = format!("SELECT count() FROM survived WHERE n >= {start} AND n < {end}");
        let sql = sql.as_str();
        let stored: u64 =
            bars.run(|lease| async move { lease.query(sql).fetch_one().await }).await.unwrap();
        assert_eq!(stored, end - start, "every row of {taken:?}");
    }
    let (rows, distinct) = counts(&bars, "survived").await;
    assert_eq!(rows, distinct, "and none twice");
    server.remove().await;
}

#[tokio::test]
async fn a_long_outage_waits_on_the_disk_and_not_in_memory_and_the_next_batcher_goes_on() {
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let bars = resource(&server, Settings::default()).await;
    table(&bars, "outage").await;
    let home = tempfile::tempdir().unwrap();
    let row = size_of::<Tick>() + 5 + 8;
    let options = BatchOptions { max_rows: 100, capacity: 500 * row, ..BatchOptions::default() };
    let first = batcher(&bars, "outage", home.path(), options).await;
    server.kill().await.unwrap();
    let push = first.push_all(ticks(0..10_000));
    within("twenty times what the memory holds", PATIENCE, push).await.unwrap();
    let report = within("a close", PATIENCE, first.close(Duration::from_millis(300))).await;
    assert_eq!((report.stored, report.rows.len(), report.spilled), (0, 0, 10_000), "{report}");
    let refused = first.push(tick(0)).await.unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::Closed);
    drop(first);

    server.start_again().await.unwrap();
    within("the server is back", PATIENCE, bars.connect()).await.unwrap();
    let second = batcher(&bars, "outage", home.path(), options).await;
    assert_eq!(second.pending(), 10_000);
    second.push_all(ticks(10_000..10_010)).await.unwrap();
    let report = second.close(2 * PATIENCE).await;
    assert!(report.is_clean() && report.stored == 10_010, "{report}");
    assert_eq!(counts(&bars, "outage").await, (10_010, 10_010));
    server.remove().await;
}

#[tokio::test]
async fn a_full_folder_holds_pushes_back_and_what_is_stored_leaves_it() {
    let bars = resource(shared().await, Settings::default()).await;
    table(&bars, "full").await;
    let home = tempfile::tempdir().unwrap();
    let spill = SpillOptions { capacity: 4000, ..SpillOptions::new(home.path()) };
    let options = BatchOptions { max_rows: 10, ..BatchOptions::default() };
    let batcher =
        Batcher::builder(&bars, "full").options(options).spill(spill).start().await.unwrap();
    // Far more than the folder may hold at once: it has to be emptied on the way.
    within("the pushes", PATIENCE, batcher.push_all(ticks(0..2000))).await.unwrap();
    within("a flush", PATIENCE, batcher.flush()).await.unwrap();
    eventually("an empty folder", PATIENCE, async || files(home.path()) == 0).await;
    assert_eq!(counts(&bars, "full").await, (2000, 2000));
    assert!(batcher.close(PATIENCE).await.is_clean());
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_a_configuration_error_that_names_it() {
    let bars = Resource::new("bars", backend(shared().await), Settings::default());
    let home = tempfile::tempdir().unwrap();
    let _first = batcher(&bars, "owned", home.path(), BatchOptions::default()).await;
    let second = Batcher::<Tick>::builder(&bars, "owned").spill(SpillOptions::new(home.path()));
    let error = second.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("another batcher"), "{error}");
    std::fs::write(home.path().join("file"), "").unwrap();
    let spill = SpillOptions::new(home.path().join("file"));
    let error = Batcher::<Tick>::builder(&bars, "owned").spill(spill).start().await.unwrap_err();
    assert!(error.message().contains("file"), "{error}");
}

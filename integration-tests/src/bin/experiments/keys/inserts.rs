//! E8: whether every row that was handed over is stored, and none of them twice.

use super::PATIENCE;
use super::counter::{BETWEEN, Fault};
use crate::passing::until;
use crate::run::Run;
use integration_tests::experiment::Figure;
use integration_tests::{ClickHouse, Rig, within};
use qa_pool::clickhouse::clickhouse::{self, Row};
use qa_pool::clickhouse::{BatchOptions, BatchReport, Batcher, Queries, QueryOptions};
use qa_pool::{Group, Settings};
use qa_servers::proxy::FaultProxy;
use qa_servers::{Server, System};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// A row, whose number no other has.
#[derive(Row, Serialize)]
struct Counted {
    n: u64,
    code: String,
    price: f64,
}

const TABLE: &str = "CREATE TABLE counted (n UInt64, code LowCardinality(String), price Float64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000";

/// A batch whose answer takes longer is inserted again.
const LIMIT: Duration = Duration::from_secs(2);

/// How long the last rows may take, all faults gone.
const REST: Duration = Duration::from_secs(120);

/// Inserts by a batcher under faults, and compares the table with what was handed over.
pub(crate) async fn inserts(run: Run) -> Vec<Figure> {
    let (rows, faults) = run.pick((100_000, 5), (2_000_000, 30));
    let server = Server::start_owned(System::ClickHouse).await.unwrap();
    let proxy = FaultProxy::open(server.port()).await;
    let settings = Settings { operation_timeout: LIMIT, ..Settings::default() };
    let rig = Rig::<ClickHouse>::connected("inserts", &proxy.url(&server.url()), settings).await;
    let made = rig.group.run(|lease| async move { lease.query(TABLE).execute().await });
    made.await.unwrap();
    let options = BatchOptions {
        max_rows: 2000,
        max_age: Duration::from_millis(100),
        capacity: 1 << 20,
        ..BatchOptions::default()
    };
    let batcher = Batcher::new(&rig.group, "counted", options);
    let striking = strike(&run, &server, &proxy, &batcher, (rows, faults));
    let ((), kills) = tokio::join!(push(&batcher, rows), striking);
    let report = batcher.close(REST).await;
    let stored = count(&rig.group).await;
    rig.close().await;
    server.remove().await;
    judge(&report, rows, stored, (faults, kills))
}

async fn push(batcher: &Batcher<Counted>, rows: u64) {
    for n in 0..rows {
        let row = Counted { n, code: format!("{:06}", n % 5000), price: 10.5 };
        batcher.push(row).await.unwrap();
    }
}

/// Breaks something each time that another share of the rows is stored; gives how often that was the
/// server itself.
async fn strike(
    run: &Run,
    server: &Server,
    proxy: &FaultProxy,
    batcher: &Batcher<Counted>,
    (rows, faults): (u64, u64),
) -> usize {
    let mut kills = 0;
    for number in 0..faults {
        let share = rows * (number + 1) / (faults + 1);
        within("the next share of the rows", 2 * PATIENCE, async {
            while batcher.stored() < share {
                until(Instant::now() + Duration::from_millis(5)).await;
            }
        })
        .await;
        // Not always between the same two batches.
        until(Instant::now() + BETWEEN.mul_f64(fastrand::f64() / 20.0)).await;
        let at = usize::try_from(number).unwrap_or_default();
        let fault = Fault::ALL.get(at % (Fault::ALL.len() + 1));
        run.progress(&format!("fault {} of {faults}: {}", number + 1, name(fault)));
        if let Some(fault) = fault {
            fault.strike(proxy).await;
        } else {
            server.kill().await.unwrap();
            server.start_again().await.unwrap();
            kills += 1;
        }
    }
    proxy.heal();
    kills
}

fn name(fault: Option<&Fault>) -> String {
    fault.map_or_else(|| "Kill".to_owned(), |fault| format!("{fault:?}"))
}

/// Rows in the table, and distinct ones.
async fn count(group: &Group<qa_pool::clickhouse::ClickHouse>) -> (u64, u64) {
    let queries = Queries::new(group, QueryOptions::default());
    let sql = "SELECT count(), uniqExact(n) FROM counted";
    within("the table", PATIENCE, async {
        loop {
            if let Ok(counted) = queries.query(sql).fetch_one().await {
                return counted;
            }
        }
    })
    .await
}

fn judge(
    report: &BatchReport<Counted>,
    rows: u64,
    (stored, distinct): (u64, u64),
    (faults, kills): (u64, usize),
) -> Vec<Figure> {
    let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let all = size(rows);
    vec![
        Figure::count("rows lost", size(rows.saturating_sub(distinct))).of(all).is(0.0),
        Figure::count("rows stored twice", size(stored - distinct)).of(all).is(0.0),
        Figure::count("rows handed back", report.rows.len()).of(all).is(0.0),
        Figure::share("said to be stored", size(report.stored), all),
        Figure::count("cuts and kills", size(faults)).note(
            "reset, cut midway, 4 s of silence, 4 s without answers, killed and started, in turn",
        ),
        Figure::count("of them kills", kills).of(size(faults)),
    ]
}

//! The workloads do what they say, at a small scale.

mod common;

use common::shared;
use qa_servers::testing::within;
use std::process::{Command, Stdio};
use std::time::Duration;

/// For a whole workload, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(120);

async fn lines(workload: &str, scale: &str) -> Vec<String> {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples/workloads");
    assert!(path.exists(), "no {}: `cargo build -p qa-mongo --examples`", path.display());
    let url = shared().await.url().replace("/?", &format!("/{workload}?"));
    let mut command = Command::new(path);
    command.args([workload, &url, scale]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = within("the workload", PATIENCE, output).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{workload}: {said}");
    let lines: Vec<_> =
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    eprintln!("{workload}: {lines:#?}");
    assert!(lines.last().unwrap().contains("closed in"), "{lines:#?}");
    lines
}

#[tokio::test]
async fn every_workload_stores_what_it_says() {
    let kline = lines("kline", "0.02").await;
    assert!(kline[0].starts_with("first: 300 inserted, 0 there already, 0 refused"), "{kline:?}");
    assert!(kline[1].starts_with("again: 0 inserted, 300 there already, 0 refused"), "{kline:?}");
    let minutes = lines("minutes", "0.01").await;
    assert!(minutes[0].starts_with("3328 of 3328 stored"), "{minutes:?}");
    let snapshot = lines("snapshot", "0.05").await;
    assert!(snapshot[0].starts_with("2 snapshots stored"), "{snapshot:?}");
    let range = lines("range", "0.02").await;
    assert!(range[3].starts_with("100 stocks, days: 500 bars"), "{range:?}");
    assert!(range[4].starts_with("1 stocks, minutes: 240 bars"), "{range:?}");
    let accounts = lines("accounts", "0.05").await;
    assert_eq!(accounts[6], "5 accounts with 30 lines of history");
}

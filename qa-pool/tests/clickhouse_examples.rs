//! The examples of ClickHouse do what they say, on a real server.
#![cfg(all(feature = "clickhouse", feature = "arrow"))]

use qa_servers::{Server, System};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// For a whole example, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What an example of this crate prints, which cargo has built before its tests.
async fn run(name: &str, arguments: &[&str]) -> String {
    let own = std::env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "no {}: `cargo build -p qa-pool --all-features --examples`",
        path.display()
    );
    let output = Command::new(path).args(arguments).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{errors}", output.status);
    text
}

#[tokio::test]
async fn a_day_of_ticks_is_loaded_whole() {
    let server = Server::start(System::ClickHouse).await.unwrap();
    let text = run("tick_load", &[&server.url(), "30000"]).await;
    assert!(text.contains("30000 rows stored, 0 refused, 0 left"), "{text}");
    assert!(text.contains("30000 distinct ticks"), "{text}");
}

#[tokio::test]
async fn a_year_of_bars_is_read_in_columns_and_a_slow_read_does_no_harm() {
    let server = Server::start(System::ClickHouse).await.unwrap();
    let text = run("bars_to_columns", &[&server.url()]).await;
    assert!(text.contains("125000 bars in 11 columns"), "{text}");
    assert!(text.contains("the slow one ended: timeout"), "{text}");
    assert!(text.contains("1000 codes are there"), "{text}");
}

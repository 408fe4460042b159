//! The examples of ClickHouse do what they say, on a real server.
#![cfg(all(feature = "clickhouse", feature = "arrow"))]

mod common;

use common::output;
use qa_servers::{Server, System};

#[tokio::test]
async fn a_day_of_ticks_is_loaded_whole() {
    let server = Server::start(System::ClickHouse).await.unwrap();
    let text = output("tick_load", &[&server.url(), "30000"], &[]).await;
    assert!(text.contains("30000 rows stored, 0 refused, 0 left"), "{text}");
    assert!(text.contains("30000 distinct ticks"), "{text}");
}

#[tokio::test]
async fn a_year_of_bars_is_read_in_columns_and_a_slow_read_does_no_harm() {
    let server = Server::start(System::ClickHouse).await.unwrap();
    let text = output("bars_to_columns", &[&server.url()], &[]).await;
    assert!(text.contains("125000 bars in 11 columns"), "{text}");
    assert!(text.contains("the slow one ended: timeout"), "{text}");
    assert!(text.contains("1000 codes are there"), "{text}");
}

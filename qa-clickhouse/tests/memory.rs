//! What a long answer takes of our memory: alone in its process, whose memory is measured.

mod common;

use clickhouse::Row;
use common::{resource, shared};
use qa_clickhouse::{Queries, QueryOptions, clickhouse};
use qa_resource_core::Settings;
use serde::Deserialize;

/// Memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn a_stream_of_any_length_takes_a_bounded_memory() {
    #[derive(Row, Deserialize)]
    struct Wide {
        number: u64,
        text: String,
    }
    let bars = resource(shared().await, Settings::default()).await;
    let queries = Queries::new(&bars, QueryOptions::default());
    // 400 MB of rows.
    let sql = "SELECT number, repeat('x', 400) AS text FROM numbers(1000000)";
    let mut rows = queries.query(sql).setting("max_threads", "1").rows::<Wide>().await.unwrap();
    let (mut count, mut bytes, mut most) = (0u64, 0, 0);
    let before = resident();
    while let Some(row) = rows.next().await.unwrap() {
        assert_eq!(row.number, count);
        bytes += row.text.len();
        count += 1;
        if count.is_multiple_of(10_000) {
            most = most.max(resident());
        }
    }
    assert_eq!((count, bytes), (1_000_000, 400_000_000));
    let grown = most.saturating_sub(before);
    assert!(grown < 100 << 20, "{grown} bytes more for {bytes}");
}

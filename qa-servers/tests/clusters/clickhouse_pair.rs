//! Two servers and the tables that span them.

use std::time::Duration;

use qa_servers::cluster::ClickHousePair;

use crate::clients::query;
use crate::leftovers::Traces;

const LIMIT: Duration = Duration::from_secs(30);

/// What is behind the head of an answer, which came in pieces.
fn has_line(answer: &str, line: &str) -> bool {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.lines().any(|found| found.trim() == line)
}

#[tokio::test]
async fn a_distributed_table_reads_both_and_the_other_serves_where_one_is_killed() {
    let pair = ClickHousePair::start().await.unwrap();
    let [one, two] = pair.nodes();
    for (node, flower) in [(one, "tulip"), (two, "rose")] {
        query(node, "CREATE TABLE own (flower String) ENGINE = MergeTree ORDER BY flower").await;
        query(node, &format!("INSERT INTO own VALUES ('{flower}')")).await;
        let all = format!("Distributed({}, default, own)", ClickHousePair::SHARDS);
        query(node, &format!("CREATE TABLE every (flower String) ENGINE = {all}")).await;
    }
    for node in [one, two] {
        let flowers = query(node, "SELECT flower FROM every").await;
        assert!(has_line(&flowers, "tulip") && has_line(&flowers, "rose"), "{flowers}");
    }

    two.kill().await.unwrap();
    let read = "SELECT flower FROM every SETTINGS skip_unavailable_shards = 1";
    let flowers = query(one, read).await;
    assert!(has_line(&flowers, "tulip") && !has_line(&flowers, "rose"), "{flowers}");
    let any = format!("SELECT flower FROM cluster({}, default.own)", ClickHousePair::REPLICAS);
    assert!(has_line(&query(one, &any).await, "tulip"));

    two.start_again().await.unwrap();
    pair.wait_ready(LIMIT).await.unwrap();
    assert!(has_line(&query(one, "SELECT flower FROM every").await, "rose"));
    let traces = Traces::of(pair.nodes()).await;
    pair.remove().await;
    traces.are_gone().await;
}

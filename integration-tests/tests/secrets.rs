//! Nothing secret in any output: a canary in the URL of each backend, in good use and in every way
//! to fail, with everything logged down to TRACE, and every output searched for it.
//!
//! A binary of its own, because what captures the log and the metrics is there once a process.

use integration_tests::secrets::{Admit, Output};
use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis};

async fn shows_no_secret<S: Admit>(logs: &[&str]) {
    let output = Output::of_a_life::<S>().await;
    let Output { said, log, metrics, .. } = &output;
    // Else there was nothing to search.
    for target in logs {
        assert!(log.contains(&format!(" {target}")), "nothing was logged by {target}");
    }
    assert!(metrics.contains("qa.resource.connect.failures"), "{metrics}");
    assert!(said.contains("no sign of life") && said.contains("127.0.0.1"), "{said}");
    eprintln!("{}: {} bytes said, {} logged", S::SYSTEM, said.len(), log.len());
    for (what, part) in [("what the library says", said), ("a metric", metrics), ("the log", log)] {
        let hits = output.hits(part);
        assert!(hits.is_empty(), "{what} shows a secret: {:#?}", &hits[..hits.len().min(5)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_shows_no_secret() {
    shows_no_secret::<Redis>(&["qa_resource_core::"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_shows_no_secret() {
    shows_no_secret::<MongoDb>(&["qa_resource_core::"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clickhouse_shows_no_secret() {
    shows_no_secret::<ClickHouse>(&["qa_resource_core::", "hyper"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_shows_no_secret() {
    shows_no_secret::<RabbitMq>(&["qa_resource_core::", "lapin::"]).await;
}

//! Nothing secret in any output: a canary in the URL of each backend, in good use and in every way
//! to fail, with everything logged down to TRACE, and every output searched for it.
//!
//! A binary of its own, because what captures the log and the metrics is there once a process.

#[path = "secrets/admit.rs"]
mod admit;
#[path = "secrets/canary.rs"]
mod canary;
#[path = "secrets/ways.rs"]
mod ways;

use admit::Admit;
use canary::{CANARY, assert_clean};
use integration_tests::{Capture, ClickHouse, MongoDb, RabbitMq, Redis};
use tokio::sync::Mutex;
use tracing_subscriber::fmt::format::FmtSpan;

/// Everything, less two things that drivers write and that only a filter keeps out; the front pages
/// of `qa-amqp` and `qa-clickhouse` say so to their users. At TRACE lapin writes its frames, the first
/// of which has user and password; at DEBUG clickhouse writes the server's errors, of which that of a
/// refused login has the user. And less what the tests' own servers are started by, which is told
/// their passwords to do so.
const FILTER: &str = "trace,lapin=debug,clickhouse::error=info,bollard=off";

/// One after the other, so that each has the log to itself.
static ONE: Mutex<()> = Mutex::const_new(());

async fn shows_no_secret<S: Admit>(logs: &[&str]) {
    let _one = ONE.lock().await;
    let capture = Capture::install(FILTER, FmtSpan::FULL);
    drop(capture.take_log());
    let mut said = String::new();
    let password = ways::good_use::<S>(&mut said).await;
    ways::rotated_password::<S>(&mut said).await;
    ways::wrong_password::<S>(&mut said).await;
    ways::refused_port::<S>(&mut said).await;
    ways::bad_urls::<S>(&mut said);

    let (log, metrics) = (capture.take_log(), format!("{:#?}", capture.metrics()));
    // Else there was nothing to search.
    for target in logs {
        assert!(log.contains(&format!(" {target}")), "nothing was logged by {target}");
    }
    assert!(metrics.contains("qa.resource.connect.failures"), "{metrics}");
    assert!(said.contains("no sign of life") && said.contains("127.0.0.1"), "{said}");
    eprintln!("{}: {} bytes said, {} logged", S::SYSTEM, said.len(), log.len());
    let secrets = [CANARY, &password];
    assert_clean("what the library says", &said, &secrets);
    assert_clean("a metric", &metrics, &secrets);
    assert_clean("the log", &log, &secrets);
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

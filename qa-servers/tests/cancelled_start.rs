//! A start whose future is dropped. Alone in its program, which looks at its own children.

use std::time::Duration;

use qa_servers::testing::eventually;
use qa_servers::{Server, System};

#[path = "servers/traces.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod traces;

use traces::Trace;

#[tokio::test]
async fn a_cancelled_start_leaves_nothing() {
    let start = tokio::spawn(Server::start_owned(System::MongoDb));
    let mut trace = None;
    let limit = Duration::from_secs(60);
    eventually("there is something of the server", limit, async || {
        trace = Trace::watched_by_children_of(std::process::id());
        trace.as_ref().is_some_and(Trace::is_there)
    })
    .await;
    start.abort();
    assert!(start.await.unwrap_err().is_cancelled());
    let trace = trace.unwrap();
    eventually("it is gone", Duration::from_secs(30), async || !trace.is_there()).await;
}

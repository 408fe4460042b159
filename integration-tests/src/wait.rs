//! Waiting for something with a deadline; no test waits in any other way.

use qa_pool::{Backend, Group, State};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(20);

/// Polls until `condition` holds.
///
/// # Panics
/// Where it does not within `limit`; says what was waited for.
pub async fn eventually(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        sleep(POLL).await;
    }
}

/// Polls for as long as `time`, and `condition` must hold at every look: for what must *not*
/// happen, which has no event to wait for.
///
/// # Panics
/// Where it fails once; says what should have held.
pub async fn holds_for(what: &str, time: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        assert!(condition().await, "it no longer holds: {what}");
        sleep(POLL).await;
    }
}

/// Waits for something that must end within `limit`.
///
/// # Panics
/// Where it does not.
pub async fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> T {
    let ended = timeout(limit, future).await;
    ended.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// Waits until a group is in `state`, and says how long that took.
///
/// # Panics
/// Where it is not within `limit`; says how the group stands.
pub async fn reaches<B: Backend>(group: &Group<B>, state: State, limit: Duration) -> Duration {
    let began = Instant::now();
    let mut watch = group.watch();
    let reached = timeout(limit, watch.wait_for(state)).await;
    assert_eq!(reached, Ok(true), "not {state} within {limit:?}: {:#?}", group.status());
    began.elapsed()
}

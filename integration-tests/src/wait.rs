//! What tests wait for beside a condition: that something does not happen, and a state.

use qa_pool::{Backend, Group, State};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(20);

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

/// Waits until a group is in `state`, with every member where that is ready, and says how long that took.
///
/// # Panics
/// Where it is not within `limit`; says how the group stands.
pub async fn reaches<B: Backend>(group: &Group<B>, state: State, limit: Duration) -> Duration {
    let began = Instant::now();
    let mut watch = group.watch();
    let reached = timeout(limit, async {
        let reached = watch.wait_for(state).await;
        for member in group.members().iter().filter(|_| state == State::Ready) {
            member.watch().wait_for(state).await;
        }
        reached
    })
    .await;
    assert_eq!(reached, Ok(true), "not {state} within {limit:?}: {:#?}", group.status());
    began.elapsed()
}

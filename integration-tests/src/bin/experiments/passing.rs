//! Time that has to pass because a fault lasts: the only place where experiments sleep for it.

use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Lets time pass until then.
pub(crate) async fn until(then: Instant) {
    sleep_until(then).await;
}

/// Looks every 50 ms until then, and gives the most that was seen.
pub(crate) async fn most_until(then: Instant, mut look: impl FnMut() -> usize) -> usize {
    let mut most = 0;
    while Instant::now() < then {
        most = most.max(look());
        sleep_until(then.min(Instant::now() + Duration::from_millis(50))).await;
    }
    most
}

/// Looks until it sees `wanted`, or for as long as `limit`, and gives what it saw last.
pub(crate) async fn settles(
    wanted: usize,
    limit: Duration,
    mut look: impl FnMut() -> usize,
) -> usize {
    let seen = async {
        while look() != wanted {
            until(Instant::now() + Duration::from_millis(50)).await;
        }
    };
    let _ = timeout(limit, seen).await;
    look()
}

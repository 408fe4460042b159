//! Waiting with a deadline.

use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(20);

/// Polls until `condition` holds, every 20 ms. A look that does not end counts as one that fails.
///
/// # Panics
/// Where it does not hold within `limit`; says what was waited for.
///
/// # Cancel safety
/// Dropped, it drops the look that is under way; nothing else is lost.
pub async fn eventually(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !condition().await {
            sleep(POLL).await;
        }
    };
    within(what, limit, holds).await;
}

/// Waits for something that must end within `limit`, and returns what it ends with.
///
/// # Panics
/// Where it does not; says what was waited for.
///
/// # Cancel safety
/// Dropped, it drops `future`; nothing else is lost.
pub async fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let ended = timeout(limit, future).await;
    ended.unwrap_or_else(|_| panic!("not within {limit:?}, but {:?}: {what}", began.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::runtime::Builder;

    /// The message with which `future` panics.
    fn failure(future: impl Future<Output = ()> + Send + 'static) -> String {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let error = runtime.block_on(runtime.spawn(future)).unwrap_err();
        *error.into_panic().downcast::<String>().unwrap()
    }

    #[tokio::test]
    async fn ends_as_soon_as_it_holds() {
        let mut looks = 0;
        eventually("three looks", Duration::from_secs(20), async || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(looks, 3);
        assert_eq!(within("a value", Duration::from_secs(20), ready(7)).await, 7);
    }

    #[test]
    fn fails_with_what_was_waited_for() {
        let limit = Duration::from_millis(50);
        let false_ones = eventually("the dawn", limit, async || false);
        let hanging = eventually("the dawn", limit, async || pending().await);
        for text in [failure(false_ones), failure(hanging)] {
            assert!(text.starts_with("not within 50ms") && text.ends_with(": the dawn"), "{text}");
        }
    }
}

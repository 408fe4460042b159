//! A close at the end of a scope, however it is left.

use crate::ResourcePool;
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// Closes its pool where it is dropped, and waits for that: at the end of a scope, at a `?`, and at a
/// panic that unwinds through it. [`ResourcePool::drop_guard`] gives it.
///
/// It blocks its thread for as long as the close takes, at most the limit. That takes a runtime of
/// several threads (`#[tokio::main]`), whose other tasks go on meanwhile. On a runtime of one thread
/// (`flavor = "current_thread"`, `#[tokio::test]`) nothing can be waited for in a drop: there the close
/// is only begun, and a warning says so. Outside of a runtime, nothing at all is done but the warning.
#[derive(Debug)]
#[must_use = "it closes the pool where it is dropped, which is at once if it is not kept"]
pub struct DropGuard {
    pool: ResourcePool,
    limit: Duration,
}

impl ResourcePool {
    /// Closes this pool, within `limit`, when the guard goes out of scope: for a `main` or a part of one
    /// that may be left in more than one way. What had to be forced is logged as a warning. A pool that
    /// is closed already stays so, and the guard's drop is nothing.
    ///
    /// [`run`](crate::run) does the same for a whole `main`, and listens for signals too.
    ///
    /// ```
    /// use qa_pool::ResourcePool;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = ResourcePool::new();
    /// {
    ///     let _guard = pool.drop_guard(Duration::from_secs(10));
    ///     pool.connect().await?; // an error closes it, too
    /// }
    /// assert!(pool.closing().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// The drop, inside a `tokio::task::LocalSet`, where blocking is not allowed.
    pub fn drop_guard(&self, limit: Duration) -> DropGuard {
        DropGuard { pool: self.clone(), limit }
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else {
            tracing::warn!("a pool's guard was dropped outside of a runtime; nothing was closed");
            return;
        };
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            self.pool.begin_close(self.limit);
            tracing::warn!(
                "a pool's guard was dropped on a runtime of one thread; closing in the background"
            );
            return;
        }
        let report = block_in_place(|| runtime.block_on(self.pool.close(self.limit)));
        if !report.is_clean() {
            tracing::warn!("{report}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qa_resource_core::State;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_panic_that_unwinds_through_it_closes_the_pool_first() {
        let pool = ResourcePool::new();
        let inner = pool.clone();
        // The only worker's: its drop has to let the close run beside it.
        let task = tokio::spawn(async move {
            let _guard = inner.drop_guard(Duration::from_secs(10));
            std::future::ready(()).await;
            panic!("the market is shut");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert!(pool.closing().is_cancelled());
        assert!(pool.close(Duration::ZERO).await.is_clean());
        assert!(pool.status().iter().all(|status| status.state == State::Closed));
    }

    #[tokio::test]
    async fn on_one_thread_it_begins_the_close_and_does_not_block() {
        let pool = ResourcePool::new();
        drop(pool.drop_guard(Duration::from_secs(10)));
        assert!(pool.closing().is_cancelled());
        assert!(pool.close(Duration::from_secs(10)).await.is_clean());
    }
}

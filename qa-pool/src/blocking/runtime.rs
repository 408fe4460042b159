//! The runtime of a blocking pool, and what becomes of it when nobody needs it any more.

use qa_resource_core::{Error, Result};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// How long a pool that is dropped without having been closed may take to close. Default: 2 s.
pub const CLOSE_ON_DROP: Duration = Duration::from_secs(2);

/// The supervisors and drivers need one; the second is there while a handler of the application's keeps
/// the first busy.
const WORKERS: usize = 2;

/// How long threads that the runtime lent out, such as for looking up a name, are waited for.
const THREADS: Duration = Duration::from_millis(100);

/// What is said to who would block a runtime.
const IN_ASYNC_CODE: &str = "the blocking pool was called from within an async runtime, whose thread it \
                             would block; use qa_pool::ResourcePool there, or a thread of std::thread";

/// A pool and the runtime that it lives on. Whoever drops it last closes the pool.
pub(super) struct Inner {
    pub(super) pool: crate::ResourcePool,
    handle: Handle,
    /// Taken by the drop.
    runtime: Option<Runtime>,
}

impl Inner {
    pub(super) fn new(pool: crate::ResourcePool) -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(WORKERS).thread_name("qa-pool").enable_all();
        let runtime = builder.build().map_err(|error| {
            Error::config("pool", format!("the blocking pool's runtime can't be started: {error}"))
        })?;
        Ok(Self { pool, handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Drives `future` on this thread until it ends.
    ///
    /// The runtime is there as long as this is: only the drop takes it.
    pub(super) fn block_on<F: Future>(&self, resource: &str, future: F) -> Result<F::Output> {
        if Handle::try_current().is_ok() {
            return Err(Error::config(resource, IN_ASYNC_CODE));
        }
        Ok(self.handle.block_on(future))
    }

    /// Does what needs a runtime around it and waits for nothing.
    pub(super) fn within<T>(&self, act: impl FnOnce() -> T) -> T {
        let _within = self.handle.enter();
        act()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if !self.pool.closing().is_cancelled() {
            let limit = CLOSE_ON_DROP;
            tracing::warn!(?limit, "the blocking pool was dropped without a close");
        }
        let (pool, handle) = (std::mem::take(&mut self.pool), self.handle.clone());
        let end = move || {
            handle.block_on(pool.close(CLOSE_ON_DROP));
            {
                let _within = handle.enter();
                drop(pool);
            }
            runtime.shutdown_timeout(THREADS);
        };
        // A thread of its own, since this one may be a runtime's, also that of this very runtime.
        let ending = thread::Builder::new().name("qa-pool-end".to_owned()).spawn(end);
        let may_block = Handle::try_current().is_err();
        if let (Ok(ending), true) = (ending, may_block) {
            // Bounded: the close is, and so is the end of the runtime.
            drop(ending.join());
        }
    }
}

//! A group, from code that is not async.

use super::Iter;
use super::runtime::Inner;
use futures_util::Stream;
use qa_resource_core::{
    Backend, Error, ErrorKind, Lease, Outcome, Reading, Result, Settings, State, Status,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A group of a blocking pool. Cheap to clone, and it may be used by any number of threads at once; it
/// keeps the pool's runtime alive.
pub struct Group<B: Backend> {
    group: crate::Group<B>,
    inner: Arc<Inner>,
}

impl<B: Backend> Group<B> {
    pub(super) fn new(group: crate::Group<B>, inner: Arc<Inner>) -> Self {
        Self { group, inner }
    }

    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.group.name()
    }

    /// A lease of a member that is ready; waits for one no longer than
    /// [`acquire_timeout`](Settings::acquire_timeout). Use it with [`wait`](Self::wait).
    ///
    /// # Errors
    /// As [`Resource::acquire`](crate::Resource::acquire); `Config` within async code.
    #[track_caller]
    pub fn acquire(&self) -> Result<Lease<B>> {
        self.inner.block_on(self.name(), self.group.acquire())?
    }

    /// Runs an operation with a lease: bounded, and tried again where that is safe. `op` may be an async
    /// closure of what the driver offers.
    ///
    /// # Errors
    /// As [`Resource::run`](crate::Resource::run); `Config` within async code.
    #[track_caller]
    pub fn run<T, F, Fut>(&self, op: F) -> Result<T>
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        self.inner.block_on(self.name(), self.group.run(op))?
    }

    /// Runs an operation that may be done twice without harm.
    ///
    /// # Errors
    /// As [`Resource::run_idempotent`](crate::Resource::run_idempotent); `Config` within async code.
    #[track_caller]
    pub fn run_idempotent<T, F, Fut>(&self, op: F) -> Result<T>
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        self.inner.block_on(self.name(), self.group.run_idempotent(op))?
    }

    /// Waits for any future, such as one of a driver's methods on a lease, for as long as an operation of
    /// the group may take ([`operation_timeout`](Settings::operation_timeout)).
    ///
    /// # Errors
    /// `Timeout`, of unknown outcome, where that time is over and the future is dropped; `Config`
    /// within async code.
    pub fn wait<F: Future>(&self, future: F) -> Result<F::Output> {
        self.wait_within(self.settings().operation_timeout, future)
    }

    /// As [`wait`](Self::wait), for `limit` at the most.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_within<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output> {
        // The clock is the runtime's: it is looked for only once it is driven there.
        let bounded = async { timeout(limit, future).await };
        self.inner.block_on(self.name(), bounded)?.map_err(|_| {
            let why = format!("it did not end within {limit:?}");
            Error::new(ErrorKind::Timeout, self.name(), why).with_outcome(Outcome::Unknown)
        })
    }

    /// The items of a stream, such as of a cursor, each waited for as by [`wait`](Self::wait).
    ///
    /// The stream is dropped where the iterator is, and after an item that did not come in time.
    pub fn iterate<S: Stream + Unpin>(&self, stream: S) -> Iter<B, S> {
        Iter::new(self.clone(), stream)
    }

    pub(super) fn within<T>(&self, act: impl FnOnce() -> T) -> T {
        self.inner.within(act)
    }

    /// Where it is in its life. No I/O; also within async code.
    #[must_use]
    pub fn state(&self) -> State {
        self.group.state()
    }

    /// How its members stand. No I/O; also within async code.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        self.group.status()
    }

    /// The last reading of its health. No I/O; also within async code.
    #[must_use]
    pub fn health(&self) -> Reading {
        self.group.health()
    }

    /// The settings of its members.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.group.settings()
    }

    /// The async group inside: publishers, consumers and batchers are made on it, within
    /// [`ResourcePool::block_on`](super::ResourcePool::block_on).
    #[must_use]
    pub fn inner(&self) -> &crate::Group<B> {
        &self.group
    }
}

impl<B: Backend> Clone for Group<B> {
    fn clone(&self) -> Self {
        Self { group: self.group.clone(), inner: Arc::clone(&self.inner) }
    }
}

impl<B: Backend> fmt::Debug for Group<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.group.fmt(f)
    }
}

//! The pool, from code that is not async.

use super::Group;
use super::runtime::Inner;
use crate::{Config, ConnectError};
use qa_resource_core::{Backend, Reading, Result, ShutdownReport, Status};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The named groups of a process, for code that is not async. Cheap to clone; all clones are the same
/// pool. See [the module](super) for where it may be used, and what a drop does.
#[derive(Clone)]
pub struct ResourcePool(Arc<Inner>);

impl ResourcePool {
    /// A pool with a group for each resource of `config`, in its order, and a runtime of its own. No I/O.
    ///
    /// # Errors
    /// As [`qa_pool::ResourcePool::from_config`](crate::ResourcePool::from_config); `Config` where the
    /// runtime's threads can't be started.
    pub fn from_config(config: &Config) -> Result<Self> {
        Self::new(crate::ResourcePool::from_config(config)?)
    }

    /// A blocking pool around one that was made in code and is connected nowhere else. No I/O.
    ///
    /// # Errors
    /// `Config` where the runtime's threads can't be started.
    pub fn new(pool: crate::ResourcePool) -> Result<Self> {
        Inner::new(pool).map(|inner| Self(Arc::new(inner)))
    }

    /// Connects every group, all at once, and waits for each to be ready or to give up; see
    /// [`qa_pool::ResourcePool::connect`](crate::ResourcePool::connect).
    ///
    /// # Errors
    /// Every required group's error; `Config` within async code.
    pub fn connect(&self) -> Result<(), ConnectError> {
        self.0
            .block_on("pool", self.0.pool.connect())
            .unwrap_or_else(|error| Err(ConnectError { failures: vec![error] }))
    }

    /// The group of backend `B` named `name`.
    ///
    /// # Errors
    /// As [`qa_pool::ResourcePool::get`](crate::ResourcePool::get).
    pub fn get<B: Backend>(&self, name: &str) -> Result<Group<B>> {
        self.0.pool.get(name).map(|group| self.blocking(group))
    }

    pub(super) fn blocking<B: Backend>(&self, group: crate::Group<B>) -> Group<B> {
        Group::new(group, Arc::clone(&self.0))
    }

    /// How every resource stands, in the order in which they were added. No I/O; also within async code.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        self.0.pool.status()
    }

    /// Whether every required group is ready. No I/O; also within async code.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.pool.is_ready()
    }

    /// Pings every group now, all at once; see
    /// [`qa_pool::ResourcePool::health`](crate::ResourcePool::health).
    ///
    /// # Errors
    /// `Config` within async code.
    pub fn health(&self) -> Result<Vec<(String, Reading)>> {
        self.0.block_on("pool", self.0.pool.health())
    }

    /// Drives any future on this thread until it ends, with the pool's runtime around it: what it
    /// spawns goes on there. It has no limit; [`Group::wait`] has.
    ///
    /// # Errors
    /// `Config` within async code.
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output> {
        self.0.block_on("pool", future)
    }

    /// The async pool inside, for what is async anyway: a task that is spawned by [`block_on`](Self::block_on).
    #[must_use]
    pub fn inner(&self) -> &crate::ResourcePool {
        &self.0.pool
    }

    /// Shuts everything down within `limit`; see
    /// [`qa_pool::ResourcePool::close`](crate::ResourcePool::close). Idempotent.
    ///
    /// # Errors
    /// `Config` within async code; nothing is closed then.
    pub fn close(&self, limit: Duration) -> Result<ShutdownReport> {
        self.0.block_on("pool", self.0.pool.close(limit))
    }
}

impl fmt::Debug for ResourcePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.pool.fmt(f)
    }
}

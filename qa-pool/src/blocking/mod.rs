//! The pool for code that is not async: scripts, threads, services that have no runtime.
//!
//! A [`ResourcePool`] owns a small Tokio runtime, of two threads called `qa-pool`, on which its resources
//! are supervised whether or not anybody calls. A call blocks its own thread and drives its operation
//! there; any number of threads may call at once.
//!
//! ```no_run
//! use qa_pool::{Config, blocking::ResourcePool};
//! # use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::from_file("qa.toml")?;
//! let pool = ResourcePool::from_config(&config)?;
//! pool.connect()?;
//! # #[cfg(feature = "redis")] {
//! use qa_pool::redis::redis::AsyncTypedCommands;
//! let redis = pool.redis()?;
//! redis.run(async |lease| lease.clone().set_ex("signal:000001", "buy", 300).await)?;
//! let lease = redis.acquire()?;
//! let signal = redis.wait(async { lease.clone().get("signal:000001").await })??;
//! # }
//! let report = pool.close(config.shutdown_timeout)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Within async code
//!
//! Nothing here may block the thread of a runtime, which would stop everything else on it: what is called
//! there gives an error of the kind `Config` that says so, and does nothing. Tokio does not tell the
//! threads of its `spawn_blocking` apart from those, so they are refused as well; a thread of
//! [`std::thread`] is not. Making and dropping a pool is allowed anywhere.
//!
//! # Dropping it
//!
//! The last of a pool and its groups that is dropped closes the pool where nobody has, for
//! [`CLOSE_ON_DROP`] at the most. The drop waits for that, save in async code, where a thread of its own
//! sees to it. A process that ends meanwhile does not wait: call [`ResourcePool::close`].

mod backends;
mod group;
mod iter;
mod pool;
mod runtime;

pub use group::Group;
pub use iter::Iter;
pub use pool::ResourcePool;
pub use runtime::CLOSE_ON_DROP;

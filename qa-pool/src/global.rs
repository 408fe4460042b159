//! The one pool of a process, for code that can't be handed one.

use crate::ResourcePool;
use qa_resource_core::{Error, Result};
use std::sync::OnceLock;

static GLOBAL: OnceLock<ResourcePool> = OnceLock::new();

/// A pool is installed already; this is the one that was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a global pool is installed already; install one once, at the start of main")]
pub struct AlreadyInstalled(pub ResourcePool);

/// Makes `pool` the process's global pool, once.
///
/// # Errors
/// [`AlreadyInstalled`] where there is one; it stays.
pub fn install(pool: ResourcePool) -> Result<(), AlreadyInstalled> {
    GLOBAL.set(pool).map_err(AlreadyInstalled)
}

/// The process's global pool.
///
/// # Errors
/// `Config` where none is installed.
pub fn global() -> Result<&'static ResourcePool> {
    GLOBAL.get().ok_or_else(|| {
        Error::config(
            "pool",
            "no global pool is installed; call qa_pool::install at the start of main",
        )
    })
}

/// The process's global pool, made by `init` at the first touch: however many threads touch it
/// first, `init` runs once and all get the same pool.
pub fn global_or_init(init: impl FnOnce() -> ResourcePool) -> &'static ResourcePool {
    GLOBAL.get_or_init(init)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_hundred_first_touches_make_one_pool() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        assert!(global().unwrap_err().to_string().contains("install"));
        let barrier = std::sync::Barrier::new(100);
        let touch = || {
            barrier.wait();
            let pool = global_or_init(|| {
                MADE.fetch_add(1, Ordering::SeqCst);
                ResourcePool::new()
            });
            std::ptr::from_ref(pool) as usize
        };
        let seen: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..100).map(|_| scope.spawn(touch)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(MADE.load(Ordering::SeqCst), 1);
        assert!(seen.iter().all(|pool| *pool == seen[0]));
        assert!(install(ResourcePool::new()).is_err());
    }
}

//! Many seeds of something random on the core, each on a runtime of its own whose time is virtual:
//! hours pass at once, and a task that waits for ever is seen by the time that it waits.

use qa_resource_core::Settings;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep};

/// No work is under way for as long as this: what has not ended by then hangs.
pub(crate) const FOREVER: Duration = Duration::from_secs(3600);

/// How long what was begun may take to end by itself: a goodbye to a lost connection, say.
const LAST_TASKS: Duration = Duration::from_secs(30);

/// Runs `one` for each of `seeds` on `threads` threads; gives what each had to tell, in no order. A
/// panic is told as `None`.
pub(crate) fn each_seed<T: Send>(
    seeds: u64,
    threads: usize,
    one: impl AsyncFn(u64) -> T + Sync,
) -> Vec<Option<T>> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut told = Vec::new();
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds {
                return told;
            }
            // What the library draws for its jitter comes from the seed, too.
            fastrand::seed(seed);
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            let runtime = runtime.unwrap();
            let run = AssertUnwindSafe(|| runtime.block_on(one(seed)));
            told.push(catch_unwind(run).ok());
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// How many tasks of this runtime are left, once there has been time for them to end.
pub(crate) async fn tasks_left() -> usize {
    let (alive, deadline) = (Handle::current(), Instant::now() + LAST_TASKS);
    while alive.metrics().num_alive_tasks() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    alive.metrics().num_alive_tasks()
}

/// Settings whose reconnects come at a pace that several fit into a sequence.
pub(crate) fn brisk() -> Settings {
    Settings {
        backoff_floor: Duration::from_millis(100),
        backoff_cap: Duration::from_millis(800),
        connect_timeout: Duration::from_secs(2),
        connect_deadline: Duration::from_secs(6),
        ..Settings::default()
    }
}

/// A time below `limit`, to the millisecond: that is what the virtual clock has.
pub(crate) fn moment(random: &mut fastrand::Rng, limit: Duration) -> Duration {
    let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random.u64(..limit.max(1)))
}

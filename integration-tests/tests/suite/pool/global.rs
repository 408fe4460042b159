//! The one pool of a process. One test, because there is one pool.

use crate::behaviour::PATIENCE;
use integration_tests::{Redis, Subject, servers};
use qa_pool::core::Target;
use qa_pool::{ErrorKind, Resource, ResourcePool, Settings, global, global_or_init, install};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

/// A pool with one Redis in it.
fn pool(url: &str) -> ResourcePool {
    let target = Target::parse("redis", url).unwrap();
    let redis = qa_pool::redis::Redis::new(&target).unwrap();
    let pool = ResourcePool::new();
    pool.add(Resource::new("redis", redis, Settings::default())).unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_threads_that_touch_it_first_share_one_pool_and_one_connection() {
    const THREADS: usize = 100;
    let url: Arc<str> = servers::shared(Redis::SYSTEM).await.url().into();
    assert_eq!(global().unwrap_err().kind(), ErrorKind::Config);
    let (made, barrier) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(THREADS)));
    let runtime = tokio::runtime::Handle::current();
    let threads: Vec<_> = (0..THREADS as u64)
        .map(|number| {
            let (made, barrier) = (Arc::clone(&made), Arc::clone(&barrier));
            let (url, runtime) = (Arc::clone(&url), runtime.clone());
            std::thread::spawn(move || {
                barrier.wait();
                let mine = global_or_init(|| {
                    made.fetch_add(1, Ordering::SeqCst);
                    pool(&url)
                });
                // Each connects it, as a first touch does.
                runtime.block_on(Redis::ask(&mine.redis().unwrap(), number)).unwrap()
            })
        })
        .collect();
    for (number, thread) in (0..).zip(threads) {
        assert_eq!(thread.join().unwrap(), number);
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
    let status = global().unwrap().status().remove(0);
    assert_eq!((status.generation, status.stats.connects, status.stats.errors), (1, 1, 0));
    let refused = install(pool(&url)).unwrap_err();
    assert!(refused.to_string().contains("installed already"), "{refused}");
    assert!(global().unwrap().close(PATIENCE).await.is_clean());
}

//! How both are counted.

use allocation_counter::measure;
use qa_servers::proxy::FaultProxy;
use std::future::poll_fn;
use std::task::Poll;

/// So often is an operation done: what a driver does by itself now and then, such as to look after its
/// servers, is not in all of them.
const TIMES: usize = 12;

/// What one operation cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) round_trips: u64,
    /// Of the caller's task, beyond those of the bare driver.
    pub(crate) allocations: i64,
}

/// The least that `ours` cost, done again and again, beyond what `bare` allocates.
pub(crate) async fn cost(proxy: &FaultProxy, ours: impl AsyncFn(), bare: impl AsyncFn()) -> Cost {
    let (mut round_trips, mut allocated) = (u64::MAX, i64::MAX);
    for _ in 0..TIMES {
        let before = proxy.counts().round_trips;
        allocated = allocated.min(allocations(ours()).await);
        round_trips = round_trips.min(proxy.counts().round_trips - before);
    }
    let mut without = i64::MAX;
    for _ in 0..TIMES {
        without = without.min(allocations(bare()).await);
    }
    Cost { round_trips, allocations: allocated - without }
}

/// How often this future allocates while it is polled; what other tasks do meanwhile is not counted.
async fn allocations(work: impl Future<Output = ()>) -> i64 {
    let (mut work, mut count) = (Box::pin(work), 0);
    poll_fn(|context| {
        let mut polled = Poll::Pending;
        count += measure(|| polled = work.as_mut().poll(context)).count_total;
        polled
    })
    .await;
    i64::try_from(count).unwrap()
}

#[tokio::test]
async fn what_a_future_allocates_is_counted_over_all_its_polls_and_nobody_else_s() {
    let other = tokio::spawn(async {
        for _ in 0..10 {
            drop(std::hint::black_box(Box::new(1)));
            tokio::task::yield_now().await;
        }
    });
    let count = allocations(async {
        for _ in 0..3 {
            drop(std::hint::black_box(Box::new(1)));
            tokio::task::yield_now().await;
        }
    });
    // Yielding may allocate in the runtime the first time.
    let count = count.await;
    other.await.unwrap();
    assert!((3..=4).contains(&count), "{count}");
}

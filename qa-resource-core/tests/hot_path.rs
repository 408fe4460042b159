//! The hot path, getting a live client and running an operation with it: it allocates nothing.

mod common;

use common::{Plain, Script, exact};
use futures_util::FutureExt;
use qa_resource_core::Resource;

#[tokio::test]
async fn a_lease_allocates_nothing() {
    let resource: Resource<Plain> = Resource::new("r", common::Scripted(Script::new()), exact());
    // The first lease of a thread makes the register's first chunk.
    drop(resource.acquire().await.unwrap());
    let allocated = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            drop(resource.try_acquire().unwrap());
            drop(resource.acquire().now_or_never().unwrap().unwrap());
        }
    });
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}

#[tokio::test]
async fn an_operation_allocates_nothing() {
    let resource: Resource<Plain> = Resource::new("r", common::Scripted(Script::new()), exact());
    drop(resource.acquire().await.unwrap());
    let allocated = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            let done = resource.run(|lease| async move { Ok(lease.number) });
            assert_eq!(done.now_or_never().unwrap().unwrap(), 1);
        }
    });
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}

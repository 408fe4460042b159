//! What a lease costs: acquire and drop, alone and under 64 tasks, beside the bare parts that it
//! is made of; and how often it allocates.
//!
//! `cargo bench -p qa-resource-core --bench acquire`

#[path = "../tests/common/mod.rs"]
mod common;

use arc_swap::ArcSwap;
use common::{Plain, Script, exact};
use criterion::{Criterion, criterion_group, criterion_main};
use qa_resource_core::Resource;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const TASKS: u64 = 64;

fn ready(runtime: &Runtime) -> Resource<Plain> {
    runtime.block_on(async {
        let resource = Resource::new("bench", common::Scripted(Script::new()), exact());
        resource.connect().await.expect("the script connects");
        resource
    })
}

fn alone(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let resource = ready(&runtime);
    let (arc, swap) = (Arc::new(1u64), ArcSwap::from_pointee(1u64));
    let mut group = criterion.benchmark_group("acquire/alone");
    group.bench_function("arc_clone", |b| b.iter(|| black_box(Arc::clone(&arc))));
    group.bench_function("arc_swap_load", |b| b.iter(|| black_box(**swap.load())));
    group.bench_function("lease", |b| b.iter(|| black_box(resource.try_acquire())));
    group.bench_function("lease_async", |b| {
        b.iter(|| futures_util::FutureExt::now_or_never(resource.acquire()));
    });
    group.finish();
    let allocated = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            drop(black_box(resource.try_acquire()));
        }
    });
    println!("acquire/allocations in 1,000 leases: {}", allocated.count_total);
}

/// Time per operation as each of 64 tasks sees it on this machine's cores, all at once.
fn together<T: Send + 'static>(
    runtime: &Runtime,
    each: u64,
    work: impl Fn() -> T + Clone + Send + 'static,
) -> Duration {
    let began = Instant::now();
    runtime.block_on(async {
        let tasks = (0..TASKS).map(|_| {
            let work = work.clone();
            tokio::spawn(async move {
                for nth in 0..each {
                    black_box(work());
                    if nth % 64 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        });
        futures_util::future::join_all(tasks).await;
    });
    began.elapsed() / u32::try_from(TASKS).expect("a small number")
}

fn under_64_tasks(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let resource = ready(&runtime);
    let (arc, swap) = (Arc::new(1u64), Arc::new(ArcSwap::from_pointee(1u64)));
    let mut group = criterion.benchmark_group("acquire/64_tasks");
    group.bench_function("arc_clone", |b| {
        b.iter_custom(|each| {
            together(&runtime, each, {
                let arc = arc.clone();
                move || Arc::clone(&arc)
            })
        });
    });
    group.bench_function("arc_swap_load", |b| {
        b.iter_custom(|each| {
            together(&runtime, each, {
                let swap = swap.clone();
                move || **swap.load()
            })
        });
    });
    group.bench_function("lease", |b| {
        b.iter_custom(|each| {
            together(&runtime, each, {
                let resource = resource.clone();
                move || resource.try_acquire()
            })
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = alone, under_64_tasks
}
criterion_main!(benches);

//! The benchmarks, each in a file, and what several of them need.

pub(crate) mod acquire;
mod bare;
pub(crate) mod build;
pub(crate) mod each;
pub(crate) mod fan_out;
pub(crate) mod frozen;
pub(crate) mod growth;
pub(crate) mod idle;
pub(crate) mod ingest;
mod instructions;
pub(crate) mod loss;
mod operations;
pub(crate) mod original;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod redis;
pub(crate) mod signals;
pub(crate) mod start;
mod tick;
mod waiting;
pub(crate) mod workloads;

use crate::bench::Bench;
use crate::budget::Budget;
use anyhow::Result;
use qa_pool::amqp::RabbitMq;
use qa_pool::core::{Resource, Target};
use qa_pool::{Backend, Settings};
use qa_servers::System;
use std::time::{Duration, Instant};

/// For ending what a benchmark has connected.
pub(crate) const GOODBYE: Duration = Duration::from_secs(10);

/// Of what is counted by the second, beside the bare driver.
pub(crate) const AS_BARE: Budget = Budget::AtLeast(0.97);
/// The same of a time: 1 / 0.97.
pub(crate) const AS_BARE_TIME: Budget = Budget::AtMost(1.031);
pub(crate) const NO_SLOWER: Budget = Budget::AtLeast(1.0);
pub(crate) const NO_LONGER: Budget = Budget::AtMost(1.0);

/// One of our resources, connected.
pub(crate) async fn connected<B: Backend>(
    url: &str,
    backend: impl FnOnce(&Target) -> qa_pool::Result<B>,
) -> Result<Resource<B>> {
    // Queries that take longer than an operation of a service may.
    let settings = Settings { operation_timeout: Duration::from_secs(120), ..Settings::default() };
    let backend = backend(&Target::parse(B::SYSTEM, url)?)?;
    let resource = Resource::new(B::SYSTEM, backend, settings);
    resource.connect().await?;
    Ok(resource)
}

/// How long it takes to do this so often, one after the other.
pub(crate) async fn in_line<F, Fut>(times: usize, mut once: F) -> Result<Duration>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let began = Instant::now();
    for _ in 0..times {
        once().await?;
    }
    Ok(began.elapsed())
}

/// A virtual host on the broker: its URL, and one of our resources that is connected to it.
pub(crate) async fn broker(bench: &mut Bench, vhost: &str) -> Result<(String, Resource<RabbitMq>)> {
    let url = bench.servers.get(System::RabbitMq).await?.vhost(vhost).await?;
    bench.driver("lapin");
    let ours = connected(&url, RabbitMq::new).await?;
    let version = ours.about().await?.version.unwrap_or_default();
    bench.takes_part(format!("rabbitmq-server {version}"));
    Ok((url, ours))
}

/// How long so many tasks take that start together, each given its number.
pub(crate) async fn all<F, Fut>(tasks: usize, task: F) -> Result<Duration>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let began = Instant::now();
    let tasks: Vec<_> = (0..tasks).map(|number| tokio::spawn(task(number))).collect();
    for task in tasks {
        task.await??;
    }
    Ok(began.elapsed())
}

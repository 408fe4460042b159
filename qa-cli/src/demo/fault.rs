//! The fault in the middle: one server is killed, stays down, and is started again.

use super::progress::Progress;
use super::servers::{Servers, system_of};
use crate::cli::Break;
use anyhow::Context;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What is going to happen, for a person.
pub(crate) fn plan(breaks: Break, down: Duration) -> String {
    match system_of(breaks) {
        Some(system) => format!("{system} will be killed midway, and stay down for {down:?}"),
        None => "no server will be killed".to_owned(),
    }
}

/// Waits until half of the bars are confirmed, then kills the server, leaves it down, and starts it
/// again, while the flow goes on.
pub(crate) async fn begin(
    servers: Arc<Servers>,
    breaks: Break,
    down: Duration,
    progress: &Progress,
    began: Instant,
) -> anyhow::Result<()> {
    let Some(system) = system_of(breaks) else { return Ok(()) };
    progress.until_half_confirmed().await;
    let server = servers.of(system)?;
    server.kill().await.with_context(|| format!("cannot kill {system}"))?;
    progress
        .tell(&format!("{:6.1} s  {system} is killed (signal 9)", began.elapsed().as_secs_f64()));
    // The time that it stays down is part of the fault.
    sleep(down).await;
    let starting = Instant::now();
    server.start_again().await.with_context(|| format!("cannot start {system} again"))?;
    let took = starting.elapsed();
    progress.tell(&format!(
        "{:6.1} s  {system} is up again after a start of {took:.1?}",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

//! A process that holds a lock again and again, and writes down when: a line each on standard output.

use crate::cli::Hold;
use crate::passing::until;
use anyhow::Result;
use integration_tests::{Redis, Rig};
use qa_pool::Settings;
use qa_pool::redis::{LockSettings, Locks};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What one waits for the lock: longer than any fault lasts.
const WAIT: Duration = Duration::from_secs(30);

/// Until it is killed.
pub(crate) async fn hold(hold: &Hold) -> Result<()> {
    let url = std::env::var("QA_HOLDER_URL")?;
    let settings = Settings { backoff_cap: Duration::from_millis(500), ..Settings::default() };
    let rig = Rig::<Redis>::connected("holder", &url, settings).await;
    let settings = LockSettings { ttl: hold.ttl, ..LockSettings::default() };
    let locks = Arc::new(Locks::new(rig.group.clone(), settings));
    let mut tasks = JoinSet::new();
    for _ in 0..hold.tasks {
        tasks.spawn(again_and_again(Arc::clone(&locks)));
    }
    tasks.join_all().await;
    Ok(())
}

async fn again_and_again(locks: Arc<Locks>) {
    loop {
        let asked = now();
        let Ok(guard) = locks.acquire("held", WAIT).await else { continue };
        let taken = now();
        until(Instant::now() + Duration::from_micros(fastrand::u64(0..2_000))).await;
        // Only a lock that is surely ours counts as held until now.
        let (held, over) = (guard.is_held(), now());
        let number = guard.token();
        let lost = guard.release().await.is_err();
        println!("{number} {asked} {taken} {over} {} {}", u8::from(held), u8::from(lost));
    }
}

/// Nanoseconds on a clock that all processes of this machine share, and that only goes on.
fn now() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

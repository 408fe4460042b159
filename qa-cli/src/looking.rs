//! What commands that look on do meanwhile.

use crate::alarm::keep_provoking;
use qa_pool::{ResourcePool, State};
use std::time::Duration;
use tokio::time::sleep;

/// The pause before those that gave up their first connect are asked again.
const PAUSE: Duration = Duration::from_secs(3);

/// Connects for as long as it takes, and has brokers tell of their alarms, until the pool closes.
pub(crate) async fn look_on(pool: ResourcePool) {
    let both = async { tokio::join!(keep_connecting(&pool), keep_provoking(&pool)) };
    tokio::select! {
        _ = both => {}
        () = pool.closing().cancelled() => {}
    }
}

/// Connects what is not connected yet, again and again, until all is. Who was connected once comes
/// back by itself.
async fn keep_connecting(pool: &ResourcePool) {
    loop {
        // What fails is in the status, where everybody looks.
        let _ = pool.connect().await;
        if pool.status().iter().all(|status| status.state != State::Idle) {
            return;
        }
        sleep(PAUSE).await;
    }
}

//! Connecting for as long as it takes, for commands that look on.

use qa_pool::{ResourcePool, State};
use std::time::Duration;
use tokio::time::sleep;

/// The pause before those that gave up their first connect are asked again.
const PAUSE: Duration = Duration::from_secs(3);

/// Connects what is not connected yet, again and again, until the pool closes. Who was connected once
/// comes back by itself.
pub(crate) async fn keep_connecting(pool: ResourcePool) {
    let connect = async {
        loop {
            // What fails is in the status, where everybody looks.
            let _ = pool.connect().await;
            if pool.status().iter().all(|status| status.state != State::Idle) {
                return;
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = connect => {}
        () = pool.closing().cancelled() => {}
    }
}

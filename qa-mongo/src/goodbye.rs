//! Shutting the driver down, so that no task and no connection of it stays.

use crate::limit::timed_out;
use crate::observer::Sight;
use crate::ping::ping;
use mongodb::Client;
use mongodb::error::Result;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

/// Limit for the question whether the server is there at all.
const ANSWER: Duration = Duration::from_secs(1);

/// Limit for an orderly shutdown, which waits for every cursor and session to be dropped.
const GRACEFUL: Duration = Duration::from_millis(500);

/// Limit for a shutdown that waits for none of them.
const IMMEDIATE: Duration = Duration::from_millis(400);

/// Limit for each step that goes on in the background. Our heartbeat (2.6 s at most) and connect
/// timeout (5 s) are what the driver's monitors take to find a frozen server gone, or to be ended.
const BACKGROUND: Duration = Duration::from_secs(8);

/// Ends the driver's sessions, monitors and pools: first in order, then at once. A server that says
/// nothing is left in the background: see [`Guard`].
///
/// # Cancel safety
/// When it is dropped, the shutdown goes on in the background, at most 16 s.
pub(crate) async fn say_goodbye(client: Client, sight: watch::Receiver<Sight>) -> Result<()> {
    let guard = Guard::new(client, sight);
    let answer = timeout(ANSWER, ping(guard.client(), &[])).await;
    answer.map_err(|_| timed_out(ANSWER))??;
    if timeout(GRACEFUL, guard.client().clone().shutdown()).await.is_err() {
        let immediate = guard.client().clone().shutdown().immediate(true);
        timeout(IMMEDIATE, immediate).await.map_err(|_| timed_out(IMMEDIATE))?;
    }
    guard.release();
    Ok(())
}

/// A client that is shut down in the background if it is dropped in here, once the driver has found
/// its server gone.
///
/// It has to be found gone first: that is what ends the driver's own dials. A dial to a frozen
/// server has no other limit, and would outlive a driver that is shut down before.
pub(crate) struct Guard {
    client: Option<Client>,
    sight: watch::Receiver<Sight>,
}

impl Guard {
    pub(crate) fn new(client: Client, sight: watch::Receiver<Sight>) -> Self {
        Self { client: Some(client), sight }
    }

    pub(crate) fn client(&self) -> &Client {
        let Some(client) = &self.client else { unreachable!("only `release` takes the client") };
        client
    }

    pub(crate) fn release(mut self) -> Client {
        let Some(client) = self.client.take() else { unreachable!("`release` is called once") };
        client
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Without a runtime the driver's tasks are gone already.
        if let (Some(client), Ok(runtime)) = (self.client.take(), Handle::try_current()) {
            runtime.spawn(leave(client, self.sight.clone()));
        }
    }
}

async fn leave(client: Client, sight: watch::Receiver<Sight>) {
    // One that never saw its server has no dials but those of its monitors, which end with it.
    if matches!(*sight.borrow(), Sight::Seen) {
        drop(timeout(BACKGROUND, Sight::lost(sight)).await);
    }
    if timeout(BACKGROUND, client.shutdown().immediate(true)).await.is_err() {
        tracing::warn!("the MongoDB driver did not shut down within {BACKGROUND:?}");
    }
}

//! Shutting the driver down, so that no task and no connection of it stays.

use crate::limit::timed_out;
use mongodb::Client;
use mongodb::error::Result;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Limit for an orderly shutdown, which waits for every cursor and session to be dropped.
const GRACEFUL: Duration = Duration::from_millis(800);

/// Limit for a shutdown that waits for none of them.
const IMMEDIATE: Duration = Duration::from_millis(800);

/// Limit for what goes on in the background: the driver tells the server of its sessions first,
/// and where the server is frozen it gives that up only when its monitors do.
const BACKGROUND: Duration = Duration::from_secs(30);

/// Ends the driver's sessions, monitors and pools: first in order, then at once.
///
/// # Cancel safety
/// When it is dropped, the shutdown goes on in the background, at most 30 s.
pub(crate) async fn say_goodbye(client: Client) -> Result<()> {
    let guard = Guard::new(client);
    if timeout(GRACEFUL, guard.client().clone().shutdown()).await.is_err() {
        let immediate = guard.client().clone().shutdown().immediate(true);
        timeout(IMMEDIATE, immediate).await.map_err(|_| timed_out(IMMEDIATE))?;
    }
    guard.release();
    Ok(())
}

/// A client that is shut down in the background if it is dropped in here.
pub(crate) struct Guard(Option<Client>);

impl Guard {
    pub(crate) fn new(client: Client) -> Self {
        Self(Some(client))
    }

    pub(crate) fn client(&self) -> &Client {
        let Some(client) = &self.0 else { unreachable!("only `release` takes the client") };
        client
    }

    pub(crate) fn release(mut self) -> Client {
        let Some(client) = self.0.take() else { unreachable!("`release` is called once") };
        client
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Without a runtime the driver's tasks are gone already.
        if let (Some(client), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move {
                if timeout(BACKGROUND, client.shutdown().immediate(true)).await.is_err() {
                    tracing::warn!("the MongoDB driver did not shut down within {BACKGROUND:?}");
                }
            });
        }
    }
}

//! How a publisher ends before its resource.

use super::shared::Shared;
use qa_resource_core::{Attachment, Stage, Undrained, async_trait};
use std::sync::PoisonError;

#[async_trait]
impl Attachment for Shared {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn stage(&self) -> Stage {
        Stage::Outlet
    }

    /// Nothing to do: handlers that still run may publish, until the drain.
    fn quiesce(&self) {}

    /// Refuses new messages, waits until those on their way are settled, and closes the channel.
    async fn drain(&self) -> Result<(), Undrained> {
        self.window.shut(|| self.hurry()).await;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.sessions.close();
        self.sessions.wait().await;
        Ok(())
    }
}

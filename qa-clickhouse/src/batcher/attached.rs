//! A batcher as its resource sees it.

use super::Owner;
use qa_resource_core::{Attachment, Stage, Undrained, async_trait};

#[async_trait]
impl<T: Send + Sync + 'static> Attachment for Owner<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn stage(&self) -> Stage {
        Stage::Outlet
    }

    /// Nothing: consumers that are still drained push their last rows.
    fn quiesce(&self) {}

    async fn drain(&self) -> Result<(), Undrained> {
        self.shared.refuse_rows();
        let Err(error) = self.flush().await else { return Ok(()) };
        let rows = self.shared.counts().pending();
        if rows == 0 {
            return Ok(());
        }
        Err(Undrained(format!("{rows} rows are not stored: {}", error.message())))
    }
}

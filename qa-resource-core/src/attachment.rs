//! What lives on a resource and must end before it: consumers, publishers, batchers.

use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// When an attachment is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Takes work in (a consumer): drained first, because what it still handles may publish or
    /// write through the others.
    Intake,
    /// Sends work out (a publisher's window, a batcher): drained once every intake is.
    Outlet,
}

/// Something that lives on a resource and must end before it does.
///
/// A closing resource, and a closing pool for all of its resources, first quiesces every
/// attachment, then drains the intakes, then the outlets, and only then refuses leases.
#[async_trait]
pub trait Attachment: Send + Sync + 'static {
    /// What the shutdown report calls it.
    fn name(&self) -> &str;

    /// When it is drained.
    fn stage(&self) -> Stage;

    /// Takes nothing new in from now on. Returns at once.
    fn quiesce(&self);

    /// Finishes what is in flight, and ends.
    ///
    /// # Errors
    /// What could not be finished.
    ///
    /// # Cancel safety
    /// The caller bounds it by dropping it: what is not finished by then stays with the
    /// attachment, and no task of it may go on for ever.
    async fn drain(&self) -> Result<(), Undrained>;
}

/// What a drain could not finish, for the shutdown report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undrained(pub String);

/// The attachments of one resource. Held weakly: an attachment that its owner dropped is gone.
#[derive(Default)]
pub(crate) struct Attachments(Mutex<Vec<Weak<dyn Attachment>>>);

impl Attachments {
    pub(crate) fn add(&self, attachment: &Arc<dyn Attachment>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(attachment));
    }

    /// Those that are still there.
    pub(crate) fn live(&self) -> Vec<Arc<dyn Attachment>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    /// Those of a stage, which are then no longer attached: whoever takes them drains them.
    pub(crate) fn take(&self, stage: Stage) -> Vec<Arc<dyn Attachment>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, rest) =
            all.iter().filter_map(Weak::upgrade).partition(|one| one.stage() == stage);
        let rest: Vec<Arc<dyn Attachment>> = rest;
        *all = rest.iter().map(Arc::downgrade).collect();
        taken
    }
}

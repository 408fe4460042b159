//! What a subscription's handle and its task share.

use super::Topic;
use super::supervise::NAME;
use crate::Redis;
use crate::metrics::SubscriptionMeter;
use qa_resource_core::{Attachment, Group, Stage, Undrained, async_trait};
use std::collections::BTreeSet;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) struct Shared {
    pub(super) group: Group<Redis>,
    /// What is to be subscribed to.
    pub(super) topics: watch::Sender<BTreeSet<Topic>>,
    /// What the server has confirmed on the present connection.
    pub(super) confirmed: watch::Sender<BTreeSet<Topic>>,
    pub(super) meter: SubscriptionMeter,
    pub(super) stop: CancellationToken,
    pub(super) task: TaskTracker,
}

impl Shared {
    pub(super) fn new(group: Group<Redis>, topics: BTreeSet<Topic>) -> Self {
        Self {
            meter: SubscriptionMeter::new(group.name()),
            group,
            topics: watch::Sender::new(topics),
            confirmed: watch::Sender::new(BTreeSet::new()),
            stop: CancellationToken::new(),
            task: TaskTracker::new(),
        }
    }

    /// Whether so much is all that is to be subscribed to. The count first: a long list is confirmed
    /// one by one.
    pub(super) fn is_whole(&self, confirmed: &BTreeSet<Topic>) -> bool {
        let topics = self.topics.borrow();
        confirmed.len() >= topics.len() && topics.is_subset(confirmed)
    }
}

#[async_trait]
impl Attachment for Shared {
    fn name(&self) -> &str {
        NAME
    }

    fn stage(&self) -> Stage {
        Stage::Intake
    }

    fn quiesce(&self) {
        self.stop.cancel();
    }

    /// Nothing is kept for a subscriber, so that there is nothing to finish.
    async fn drain(&self) -> Result<(), Undrained> {
        self.stop.cancel();
        self.task.wait().await;
        Ok(())
    }
}

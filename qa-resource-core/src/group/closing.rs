//! How a group of several ends: its attachments first, then all members at once.

use super::many::Many;
use crate::attachment::Attachment;
use crate::closing::GRACE;
use crate::deadline::Deadline;
use crate::settings::LONGEST;
use crate::{Backend, CloseReport, Forced, Stage, ending};
use futures_util::future::join_all;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

impl<B: Backend> Many<B> {
    pub(super) fn attach(&self, attachment: &Arc<dyn Attachment>) {
        self.attachments.add(attachment);
        if self.quiescing.is_cancelled() {
            attachment.quiesce();
        }
    }

    pub(super) fn quiesce(&self) {
        self.quiescing.cancel();
        for attachment in self.attachments.live() {
            attachment.quiesce();
        }
        self.members.load().iter().for_each(|entry| entry.resource.quiesce());
    }

    /// Drains the attachments of one stage, the group's own and its members'.
    pub(super) async fn drain(&self, stage: Stage, limit: Duration) {
        let deadline = Deadline::after(limit);
        let members = self.members.load_full();
        let of_members = join_all(members.iter().map(|entry| entry.resource.drain(stage, limit)));
        let own = ending::drained(&self.attachments, stage, &deadline, Duration::ZERO);
        let (forced, _) = tokio::join!(own, of_members);
        self.forced.lock().unwrap_or_else(PoisonError::into_inner).extend(forced);
    }

    /// Ends it for good; the close is a task of its own, so that it goes on where its caller is dropped.
    pub(super) async fn close(self: &Arc<Self>, limit: Duration) -> CloseReport {
        let limit = LONGEST.min(limit);
        self.close_by.shorten(limit);
        let mut report = self.closing.get_or_init(|| self.begin_close()).clone();
        let done = tokio::time::timeout(limit + 2 * GRACE, report.wait_for(Option::is_some));
        match done.await {
            Ok(Ok(report)) => report.clone(),
            _ => None,
        }
        .unwrap_or_else(|| self.report(limit + 2 * GRACE, vec![Forced::Unfinished]))
    }

    fn begin_close(self: &Arc<Self>) -> watch::Receiver<Option<CloseReport>> {
        let (sender, receiver) = watch::channel(None);
        let many = Arc::clone(self);
        many.quiesce();
        tokio::spawn(async move {
            let began = Instant::now();
            many.end().await;
            let forced =
                std::mem::take(&mut *many.forced.lock().unwrap_or_else(PoisonError::into_inner));
            let _ = sender.send(Some(many.report(began.elapsed(), forced)));
        });
        receiver
    }

    async fn end(&self) {
        let limit = self.close_by.remaining();
        // A quarter of the time stays for the members, as it does in a resource.
        for (stage, early) in [(Stage::Intake, limit / 2), (Stage::Outlet, limit / 4)] {
            let forced = ending::drained(&self.attachments, stage, &self.close_by, early).await;
            self.forced.lock().unwrap_or_else(PoisonError::into_inner).extend(forced);
        }
        let members = self.members.load_full();
        let closes = members.iter().map(|entry| self.close_member(&entry.resource));
        let reports = join_all(closes).await;
        let forced = reports.into_iter().flat_map(|CloseReport { resource, forced, .. }| {
            forced.into_iter().map(move |forced| Forced::Member {
                name: Arc::clone(&resource),
                forced: Box::new(forced),
            })
        });
        self.forced.lock().unwrap_or_else(PoisonError::into_inner).extend(forced);
    }

    /// Closes a member within what is left, also where that is shortened meanwhile.
    async fn close_member(&self, resource: &crate::Resource<B>) -> CloseReport {
        tokio::select! {
            report = resource.close(self.close_by.remaining()) => report,
            () = self.close_by.passed(Duration::ZERO) => resource.close(Duration::ZERO).await,
        }
    }

    fn report(&self, took: Duration, forced: Vec<Forced>) -> CloseReport {
        CloseReport { resource: Arc::clone(&self.board.name), system: B::SYSTEM, took, forced }
    }
}

/// What had to be forced so far.
pub(super) type ForcedSoFar = Mutex<Vec<Forced>>;

//! The end of a resource: its attachments, its leases, its goodbye, each within the deadline.

use crate::attachment::{Attachments, Stage};
use crate::deadline::Deadline;
use crate::shared::Shared;
use crate::snapshot::Change;
use crate::supervisor::Supervisor;
use crate::{Backend, Forced};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// Drains a resource's attachments of one stage, until the deadline less `early`; notes what was left.
pub(crate) async fn drain<B: Backend>(
    shared: &Shared<B>,
    stage: Stage,
    deadline: &Deadline,
    early: Duration,
) {
    shared.force(drained(&shared.attachments, stage, deadline, early).await);
}

/// Drains attachments of one stage, until the deadline less `early`; gives what was left.
pub(crate) async fn drained(
    attachments: &Attachments,
    stage: Stage,
    deadline: &Deadline,
    early: Duration,
) -> Vec<Forced> {
    let drains = attachments.take(stage).into_iter().map(|attachment| async move {
        let name = attachment.name().to_owned();
        let why = match deadline.bound(early, attachment.drain()).await {
            Some(Ok(())) => return None,
            Some(Err(undrained)) => undrained.0,
            None => "its time was over".to_owned(),
        };
        Some(Forced::Attachment { name, why })
    });
    join_all(drains).await.into_iter().flatten().collect()
}

/// From draining to closed: waits for the leases, says goodbye, reports.
pub(crate) async fn end<B: Backend>(mut supervisor: Supervisor<B>) {
    let shared = Arc::clone(&supervisor.shared);
    supervisor.stay();
    // Kept for the goodbye, so that leases that never come back can't use all the time up.
    let reserve = shared.settings().close_timeout.min(shared.close_by.remaining() / 4);
    if shared.close_by.bound(reserve, shared.gate.empty()).await.is_none() {
        shared.force([Forced::Leases(shared.gate.inside())]);
    }
    if let Some(client) = supervisor.held.take() {
        goodbye(&shared, client).await;
    }
    supervisor.retired.close();
    if shared.close_by.bound(Duration::ZERO, supervisor.retired.wait()).await.is_none() {
        tracing::debug!(resource = %shared.name, "goodbyes to lost connections were cut short");
    }
    shared.finish();
}

async fn goodbye<B: Backend>(shared: &Arc<Shared<B>>, client: B::Client) {
    let limit = shared.settings().close_timeout.min(shared.close_by.remaining());
    let goodbye = tokio::time::timeout(limit, shared.backend.close(client));
    let forced = match shared.close_by.bound(Duration::ZERO, goodbye).await {
        Some(Ok(Ok(()))) => return,
        Some(Ok(Err(error))) => shared.driver_error("saying goodbye to", error),
        Some(Err(_)) | None => shared.error(
            crate::ErrorKind::Timeout,
            format!("{} did not answer within {limit:?}", shared.server()),
        ),
    };
    shared.force([Forced::Goodbye(forced)]);
}

/// The close of a resource that still has attachments: they are drained while leases are still
/// given, because a batcher that flushes needs one.
pub(crate) async fn drain_then_close<B: Backend>(shared: Arc<Shared<B>>) {
    let limit = shared.close_by.remaining();
    // A quarter of the time stays for the leases and the goodbye.
    drain(&shared, Stage::Intake, &shared.close_by, limit / 2).await;
    drain(&shared, Stage::Outlet, &shared.close_by, limit / 4).await;
    let _ = shared.apply(Change::Close);
}

//! Keeps a consumer consuming.

use super::handle::{self, Acknowledged::Alone};
use super::in_turn;
use super::intake::{End, Intake};
use super::shared::Shared;
use super::stats::count;
use lapin::message::Delivery;
use qa_resource_core::{Backoff, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

/// Consumes, and consumes anew whenever that ends, until it is told to stop or its resource is
/// closed for good.
pub(super) async fn supervise(shared: Arc<Shared>) {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut delay = None;
    while let Some(cause) = consume(&shared, &mut delay).await {
        let pause = *delay.insert(backoff.next(delay, fastrand::f64()));
        tracing::warn!(queue = %shared.settings.queue, %cause, ?pause, "consuming ended, begins anew");
        if shared.stop.run_until_cancelled(sleep(pause)).await.is_none() {
            break;
        }
    }
    finish_handlers(&shared).await;
}

/// Consumes until it ends: the cause where it has to begin anew, `None` where it is over.
async fn consume(shared: &Arc<Shared>, delay: &mut Option<Duration>) -> Option<String> {
    let lease = match shared.stop.run_until_cancelled(shared.group.acquire()).await? {
        Ok(lease) => lease.long_lived(),
        Err(error) if error.kind() == ErrorKind::Closed => return None,
        Err(error) => return Some(error.to_string()),
    };
    let opened = shared.stop.run_until_cancelled(Intake::open(lease, &shared.settings)).await?;
    let mut intake = match opened {
        Ok(intake) => intake,
        Err(error) => return Some(error.to_string()),
    };
    *delay = None;
    shared.consuming.send_replace(true);
    let end = take_in(shared, &mut intake).await;
    shared.consuming.send_replace(false);
    match end {
        End::Stopped => {
            // The limit is for the whole of it: the buffered, the running and the goodbye.
            let limit = shared.settings.drain_limit;
            if timeout(limit, wind_down(shared, intake)).await.is_err() {
                shared.abort.cancel();
            }
            None
        }
        End::Cut(cause) => {
            count(&shared.counters.restarts, 1);
            shared.meter.restarted();
            Some(cause)
        }
    }
}

/// Hands deliveries to handlers, each in a task of its own, at most as many at once as there are slots.
async fn take_in(shared: &Arc<Shared>, intake: &mut Intake) -> End {
    if shared.settings.bounded_concurrency() == 1 {
        return in_turn::take_in(shared, intake).await;
    }
    loop {
        match take(shared, intake).await {
            Ok((delivery, slot)) => tokio::spawn(handle::work(shared, delivery, slot, Alone)),
            Err(end) => return end,
        };
    }
}

/// The next delivery, once there is a slot for it.
pub(super) async fn take(
    shared: &Shared,
    intake: &mut Intake,
) -> Result<(Delivery, OwnedSemaphorePermit), End> {
    let slot = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return Err(End::Stopped),
        cause = intake.lost() => return Err(End::Cut(cause)),
        slot = Arc::clone(&shared.slots).acquire_owned() => slot,
    };
    // The slots are never closed.
    let Ok(slot) = slot else { return Err(End::Stopped) };
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => Err(End::Stopped),
        delivery = intake.next() => match delivery {
            Ok(delivery) => Ok((delivery, slot)),
            Err(cause) => Err(End::Cut(cause)),
        },
    }
}

/// Ends the intake, handles what the broker has already sent, waits for the handlers, and closes the
/// channel behind their last answer.
async fn wind_down(shared: &Arc<Shared>, mut intake: Intake) {
    if intake.cancel().await {
        while let Ok(slot) = Arc::clone(&shared.slots).acquire_owned().await {
            let Ok(delivery) = intake.next().await else { break };
            tokio::spawn(handle::work(shared, delivery, slot, Alone));
        }
    }
    shared.handlers.close();
    shared.handlers.wait().await;
    intake.close().await;
}

/// Handlers of a channel that was lost: they can't acknowledge any more, and may finish their work.
async fn finish_handlers(shared: &Shared) {
    shared.handlers.close();
    if timeout(shared.settings.drain_limit, shared.handlers.wait()).await.is_err() {
        shared.abort.cancel();
    }
    // Aborted ones end at their next await.
    shared.handlers.wait().await;
}

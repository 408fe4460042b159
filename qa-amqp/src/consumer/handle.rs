//! One delivery: handled, then answered.

use super::delivery::Delivery;
use super::shared::Shared;
use super::stats::count;
use crate::client::ANSWER_LIMIT;
use futures_util::FutureExt;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// Hands a delivery to a task of its own.
pub(super) fn spawn(
    shared: &Arc<Shared>,
    delivery: lapin::message::Delivery,
    slot: OwnedSemaphorePermit,
) {
    let this = Arc::clone(shared);
    shared.handlers.spawn(async move {
        let abort = this.abort.clone();
        // Dropped unanswered, it stays with the broker, which delivers it again.
        let _ = abort.run_until_cancelled(handle(&this, delivery)).await;
        drop(slot);
    });
}

async fn handle(shared: &Shared, delivery: lapin::message::Delivery) {
    let (acker, redelivered) = (delivery.acker.clone(), delivery.redelivered);
    let delivery = Delivery::from(delivery);
    let begun = Instant::now();
    shared.meter.delivered();
    let handled = async { (shared.handler)(delivery).await };
    let failure = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(("handler", error)),
        Err(_) => Some(("panic", "the handler panicked".to_owned())),
    };
    shared.meter.handled(begun.elapsed(), failure.as_ref().map(|(how, _)| *how));
    let Some((_, error)) = failure else {
        acknowledge(shared, &acker).await;
        return;
    };
    count(&shared.counters.failed);
    let requeue = shared.settings.on_error.requeues(redelivered);
    tracing::warn!(queue = %shared.settings.queue, %error, requeue, "a message was not handled");
    refuse(shared, &acker, requeue).await;
}

async fn acknowledge(shared: &Shared, acker: &Acker) {
    if answered(acker.ack(BasicAckOptions::default())).await {
        count(&shared.counters.handled);
    } else {
        stale(shared);
    }
}

async fn refuse(shared: &Shared, acker: &Acker, requeue: bool) {
    if requeue {
        // A stop does not wait for it: the message goes back at once.
        let _ = tokio::time::timeout(shared.settings.requeue_delay, shared.stop.cancelled()).await;
    }
    let options = BasicNackOptions { multiple: false, requeue };
    if !answered(acker.nack(options)).await {
        stale(shared);
    }
}

/// Whether the answer was written. The driver says `Ok(false)` where the channel that the message
/// came on is gone, and then nothing was.
async fn answered(answer: impl Future<Output = lapin::Result<bool>>) -> bool {
    matches!(tokio::time::timeout(ANSWER_LIMIT, answer).await, Ok(Ok(true)))
}

fn stale(shared: &Shared) {
    count(&shared.counters.stale_acks);
    shared.meter.stale();
}

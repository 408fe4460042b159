//! One delivery: handled, then answered.

use super::delivery::Delivery;
use super::failed::Failed;
use super::settings::Then;
use super::shared::Shared;
use super::stats::count;
use crate::client::ANSWER_LIMIT;
use crate::spans;
use crate::topology::dead_queue;
use futures_util::{FutureExt, poll};
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

/// Who acknowledges a message that was handled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledge {
    /// The work on it, as its last step.
    Itself,
    /// Whoever has the work done, with others.
    Together,
}

/// The work on a delivery, to the end of its answer; what it is still to be acknowledged by, where that is
/// left to others. Its place in its order is taken at once.
pub(super) fn work(
    shared: &Arc<Shared>,
    delivery: lapin::message::Delivery,
    slot: OwnedSemaphorePermit,
    acknowledge: Acknowledge,
) -> impl Future<Output = Option<Acker>> + Send + use<> {
    let this = Arc::clone(shared);
    let acker = delivery.acker.clone();
    let delivery = Delivery::from(delivery);
    let turn = delivery.order_key(&this.settings.order).map(|key| this.lanes.queue_up(key));
    shared.handlers.track_future(async move {
        let abort = this.abort.clone();
        let work = async {
            let mut turn = turn;
            if let Some(turn) = &mut turn {
                turn.comes().await;
            }
            let span = spans::process(this.group.name(), &this.settings.queue, &delivery);
            handle(&this, delivery, acker, acknowledge).instrument(span).await
        };
        let mut work = pin!(work);
        // Most handlers are done with their first step: those take no place among what waits for an abort.
        // Dropped unanswered, a message stays with the broker, which delivers it again.
        let due = if abort.is_cancelled() {
            None
        } else if let Poll::Ready(due) = poll!(&mut work) {
            due
        } else {
            abort.run_until_cancelled(work).await.flatten()
        };
        drop(slot);
        due
    })
}

/// Has a message handled, and answers it unless that is left to others.
async fn handle(
    shared: &Shared,
    delivery: Delivery,
    acker: Acker,
    acknowledge: Acknowledge,
) -> Option<Acker> {
    let rejected = delivery.rejected_from(&shared.settings.queue);
    let (redelivered, copy) =
        (delivery.redelivered, shared.parking.is_some().then(|| delivery.clone()));
    match (handled(shared, delivery).await, acknowledge) {
        (Ok(()), Acknowledge::Together) => return Some(acker),
        (Ok(()), Acknowledge::Itself) => acknowledged(shared, &acker, 1).await,
        (Err(failed), _) => {
            let then = shared.settings.on_error.then(failed.then, redelivered, rejected);
            failed_so(shared, failed, then, copy, &acker).await;
        }
    }
    None
}

/// What the handler says to a message, with what it takes counted.
async fn handled(shared: &Shared, delivery: Delivery) -> Result<(), Failed> {
    let begun = Instant::now();
    shared.meter.delivered();
    let handled = async { (shared.handler)(delivery).await };
    let (handled, failure) = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(Ok(())) => (Ok(()), None),
        Ok(Err(failed)) => (Err(failed), Some("handler")),
        Err(_) => (Err(Failed::from("the handler panicked")), Some("panic")),
    };
    shared.meter.handled(begun.elapsed(), failure);
    handled
}

async fn failed_so(
    shared: &Shared,
    failed: Failed,
    then: Then,
    copy: Option<Delivery>,
    acker: &Acker,
) {
    count(&shared.counters.failed, 1);
    tracing::warn!(queue = %shared.settings.queue, error = %failed.error, ?then, "a message was not handled");
    match (then, copy) {
        (Then::Park, Some(delivery)) => park(shared, delivery, acker).await,
        (then, _) => refuse(shared, acker, then == Then::Requeue).await,
    }
}

/// Publishes a message to the queue for the dead, and acknowledges it once it is there. One that
/// can't be put there stays in its queue.
async fn park(shared: &Shared, delivery: Delivery, acker: &Acker) {
    let Some(parking) = &shared.parking else { return refuse(shared, acker, true).await };
    let (to, limit) = (dead_queue(&shared.settings.queue), shared.settings.drain_limit);
    let Delivery { payload, properties, .. } = delivery;
    match parking.publish_until_confirmed("", &to, &payload, properties, limit).await {
        Ok(_) => {
            if answered(acker.ack(BasicAckOptions::default())).await {
                count(&shared.counters.parked, 1);
            } else {
                stale(shared, 1);
            }
        }
        Err(error) => {
            tracing::warn!(queue = %to, %error, "a message that has failed for good can't be put there");
            refuse(shared, acker, true).await;
        }
    }
}

/// Acknowledges a message that was handled and, of `messages` in all, those before it of its channel.
pub(super) async fn acknowledged(shared: &Shared, acker: &Acker, messages: u64) {
    if answered(acker.ack(BasicAckOptions { multiple: messages > 1 })).await {
        count(&shared.counters.handled, messages);
    } else {
        stale(shared, messages);
    }
}

async fn refuse(shared: &Shared, acker: &Acker, requeue: bool) {
    if requeue {
        // A stop does not wait for it: the message goes back at once.
        let _ = tokio::time::timeout(shared.settings.requeue_delay, shared.stop.cancelled()).await;
    }
    let options = BasicNackOptions { multiple: false, requeue };
    if !answered(acker.nack(options)).await {
        stale(shared, 1);
    }
}

/// Whether the answer was written. The driver says `Ok(false)` where the channel that the message
/// came on is gone, and then nothing was.
async fn answered(answer: impl Future<Output = lapin::Result<bool>>) -> bool {
    matches!(tokio::time::timeout(ANSWER_LIMIT, answer).await, Ok(Ok(true)))
}

fn stale(shared: &Shared, answers: u64) {
    count(&shared.counters.stale_acks, answers);
    shared.meter.stale(answers);
}

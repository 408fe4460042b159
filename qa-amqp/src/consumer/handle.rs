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

/// How a message that was handled is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// By itself, as the last step of the work on it.
    Alone,
    /// With others, by whoever has the work done.
    Together,
}

/// What became of a message by the end of the work on it.
pub(super) enum Done {
    /// It was answered.
    Answered,
    /// It was handled, and is to be acknowledged.
    Due(Acker),
    /// It was given up, or its answer could not be written: for the broker it is still out.
    Unanswered,
}

/// The work on a delivery, to the end of its answer unless that is left to others. Its place in its order is taken at once.
pub(super) fn work(
    shared: &Arc<Shared>,
    delivery: lapin::message::Delivery,
    slot: OwnedSemaphorePermit,
    acknowledged: Acknowledged,
) -> impl Future<Output = Done> + Send + use<> {
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
            handle(&this, delivery, acker, acknowledged).instrument(span).await
        };
        let mut work = pin!(work);
        // Most handlers are done with their first step: those take no place among what waits for an abort.
        // Dropped unanswered, a message stays with the broker, which delivers it again.
        let done = if abort.is_cancelled() {
            None
        } else if let Poll::Ready(done) = poll!(&mut work) {
            Some(done)
        } else {
            abort.run_until_cancelled(work).await
        };
        drop(slot);
        done.unwrap_or(Done::Unanswered)
    })
}

/// Has a message handled, and answers it unless that is left to others.
async fn handle(
    shared: &Arc<Shared>,
    delivery: Delivery,
    acker: Acker,
    acknowledged: Acknowledged,
) -> Done {
    let rejected = delivery.rejected_from(&shared.settings.queue);
    let redelivered = delivery.redelivered;
    let copy = shared.parking.is_some().then(|| delivery.clone());
    let is_answered = match handled(shared, delivery).await {
        Ok(()) if acknowledged == Acknowledged::Together => return Done::Due(acker),
        Ok(()) => acknowledge(Arc::clone(shared), acker, 1).await,
        Err(failed) => {
            let then = shared.settings.on_error.then(failed.then, redelivered, rejected);
            answer_failed(shared, &failed, then, copy, &acker).await
        }
    };
    if is_answered { Done::Answered } else { Done::Unanswered }
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

/// Answers a message whose handler failed. Whether it did.
async fn answer_failed(
    shared: &Shared,
    failed: &Failed,
    then: Then,
    copy: Option<Delivery>,
    acker: &Acker,
) -> bool {
    let (queue, error) = (&shared.settings.queue, &failed.error);
    count(&shared.counters.failed, 1);
    tracing::warn!(%queue, %error, ?then, "a message was not handled");
    match (then, copy) {
        (Then::Park, Some(delivery)) => park(shared, delivery, acker).await,
        (then, _) => refuse(shared, acker, then == Then::Requeue).await,
    }
}

/// Publishes a message to the queue for the dead, and acknowledges it once it is there. One that
/// can't be put there stays in its queue.
async fn park(shared: &Shared, delivery: Delivery, acker: &Acker) -> bool {
    let Some(parking) = &shared.parking else { return refuse(shared, acker, true).await };
    let (to, limit) = (dead_queue(&shared.settings.queue), shared.settings.drain_limit);
    let Delivery { payload, properties, .. } = delivery;
    match parking.publish_until_confirmed("", &to, &payload, properties, limit).await {
        Ok(_) => {
            let is_answered = answered(shared, 1, acker.ack(BasicAckOptions::default())).await;
            count(&shared.counters.parked, u64::from(is_answered));
            is_answered
        }
        Err(error) => {
            tracing::warn!(queue = %to, %error, "a message that has failed for good can't be put there");
            refuse(shared, acker, true).await
        }
    }
}

/// Acknowledges a message that was handled and, of `messages` in all, those before it of its channel.
/// Whether it did.
pub(super) async fn acknowledge(shared: Arc<Shared>, acker: Acker, messages: u64) -> bool {
    let answer = acker.ack(BasicAckOptions { multiple: messages > 1 });
    let is_answered = answered(&shared, messages, answer).await;
    if is_answered {
        count(&shared.counters.handled, messages);
    }
    is_answered
}

async fn refuse(shared: &Shared, acker: &Acker, requeue: bool) -> bool {
    if requeue {
        // A stop does not wait for it: the message goes back at once.
        let _ = tokio::time::timeout(shared.settings.requeue_delay, shared.stop.cancelled()).await;
    }
    answered(shared, 1, acker.nack(BasicNackOptions { multiple: false, requeue })).await
}

/// Whether the answer to so many messages was written; counted where not. The driver says `Ok(false)` where the
/// channel that a message came on is gone, and then nothing was.
async fn answered(
    shared: &Shared,
    messages: u64,
    answer: impl Future<Output = lapin::Result<bool>>,
) -> bool {
    let is_answered = matches!(tokio::time::timeout(ANSWER_LIMIT, answer).await, Ok(Ok(true)));
    if !is_answered {
        count(&shared.counters.stale_acks, messages);
        shared.meter.stale(messages);
    }
    is_answered
}

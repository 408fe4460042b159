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
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

/// The work on a delivery, to the end of its answer. Its place in its order is taken at once.
pub(super) fn work(
    shared: &Arc<Shared>,
    delivery: lapin::message::Delivery,
    slot: OwnedSemaphorePermit,
) -> impl Future<Output = ()> + Send + use<> {
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
            handle(&this, delivery, &acker).instrument(span).await;
        };
        let mut work = pin!(work);
        // Most handlers are done with their first step: those take no place among what waits for an abort.
        if !abort.is_cancelled() && poll!(&mut work).is_pending() {
            // Dropped unanswered, it stays with the broker, which delivers it again.
            let _ = abort.run_until_cancelled(work).await;
        }
        drop(slot);
    })
}

async fn handle(shared: &Shared, delivery: Delivery, acker: &Acker) {
    let queue = &shared.settings.queue;
    let (redelivered, rejected) = (delivery.redelivered, delivery.rejected_from(queue));
    let copy = shared.parking.is_some().then(|| delivery.clone());
    let begun = Instant::now();
    shared.meter.delivered();
    let handled = async { (shared.handler)(delivery).await };
    let failure = match AssertUnwindSafe(handled).catch_unwind().await {
        Ok(Ok(())) => None,
        Ok(Err(failed)) => Some(("handler", failed)),
        Err(_) => Some(("panic", Failed::from("the handler panicked"))),
    };
    shared.meter.handled(begun.elapsed(), failure.as_ref().map(|(how, _)| *how));
    let Some((_, Failed { error, then })) = failure else {
        acknowledge(shared, acker).await;
        return;
    };
    count(&shared.counters.failed);
    let then = shared.settings.on_error.then(then, redelivered, rejected);
    tracing::warn!(%queue, %error, ?then, "a message was not handled");
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
                count(&shared.counters.parked);
            } else {
                stale(shared);
            }
        }
        Err(error) => {
            tracing::warn!(queue = %to, %error, "a message that has failed for good can't be put there");
            refuse(shared, acker, true).await;
        }
    }
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

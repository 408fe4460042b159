//! One message after the other, where one handler runs at a time.

use super::due::Due;
use super::handle::{self, Acknowledged::Together, Done};
use super::intake::{End, Intake};
use super::shared::Shared;
use super::supervise::take;
use futures_util::poll;
use lapin::Acker;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// Works on deliveries here, which spares a task for each and a change of threads; but for what outlasts
/// its channel: that goes on in a task among the handlers, which are waited for.
pub(super) async fn take_in(shared: &Arc<Shared>, intake: &mut Intake) -> End {
    let mut due = Due::new(shared.settings.bounded_acknowledge_together());
    let end = loop {
        if let Err(end) = take_one(shared, intake, &mut due).await {
            break end;
        }
    };
    if let Some((last, messages)) = due.take() {
        shared.handlers.spawn(handle::acknowledge(Arc::clone(shared), last, messages));
    }
    end
}

async fn take_one(
    shared: &Arc<Shared>,
    intake: &mut Intake,
    due: &mut Due<Acker>,
) -> Result<(), End> {
    let ready = {
        let taking = pin!(take(shared, intake));
        poll!(taking)
    };
    let (delivery, slot) = match ready {
        Poll::Ready(taken) => taken?,
        Poll::Pending => {
            acknowledge(shared, intake, due.take()).await;
            take(shared, intake).await?
        }
    };
    let mut work = Box::pin(handle::work(shared, delivery, slot, Together));
    let done = match poll!(&mut work) {
        Poll::Ready(done) => done,
        Poll::Pending => {
            let earlier = acknowledge(shared, intake, due.take());
            let (done, ()) = tokio::join!(unless_ended(&mut work, shared, intake), earlier);
            if done.is_err() {
                shared.handlers.spawn(acknowledge_by_itself(Arc::clone(shared), work));
            }
            done?
        }
    };
    let now = match done {
        Done::Answered => None,
        Done::Due(acker) => due.add(acker),
        Done::Unanswered => due.each_alone(),
    };
    acknowledge(shared, intake, now).await;
    Ok(())
}

/// Acknowledges what is due: the last, and how many there are. What ends the wait for that is found again by
/// whoever takes the next delivery.
async fn acknowledge(shared: &Arc<Shared>, intake: &Intake, due: Option<(Acker, u64)>) {
    let Some((last, messages)) = due else { return };
    let mut answer = Box::pin(handle::acknowledge(Arc::clone(shared), last, messages));
    if unless_ended(&mut answer, shared, intake).await.is_err() {
        shared.handlers.spawn(answer);
    }
}

/// Waits for something unless it is told to stop before, or the channel goes.
async fn unless_ended<W: Future + Unpin>(
    work: &mut W,
    shared: &Shared,
    intake: &Intake,
) -> Result<W::Output, End> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = shared.stop.cancelled() => Err(End::Stopped),
        cause = intake.lost() => Err(End::Cut(cause)),
    }
}

async fn acknowledge_by_itself(shared: Arc<Shared>, work: impl Future<Output = Done>) {
    if let Done::Due(acker) = work.await {
        handle::acknowledge(shared, acker, 1).await;
    }
}

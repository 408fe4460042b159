//! One message after the other, where one handler runs at a time.

use super::handle::{self, Acknowledge::Together};
use super::intake::{End, Intake};
use super::shared::Shared;
use super::supervise::take;
use futures_util::poll;
use lapin::Acker;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

/// Works on deliveries here, which spares a task for each and a change of threads; but for one that
/// outlasts its channel.
pub(super) async fn take_in(shared: &Arc<Shared>, intake: &mut Intake) -> End {
    let mut due = Due { shared, last: None, messages: 0 };
    let end = loop {
        if let Err(end) = take_one(shared, intake, &mut due).await {
            break end;
        }
    };
    due.acknowledge().await;
    end
}

async fn take_one(shared: &Arc<Shared>, intake: &mut Intake, due: &mut Due<'_>) -> Result<(), End> {
    let (delivery, slot) = {
        let mut taken = pin!(take(shared, intake));
        match poll!(&mut taken) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => {
                due.acknowledge().await;
                taken.await?
            }
        }
    };
    let mut work = Box::pin(handle::work(shared, delivery, slot, Together));
    let handled = match poll!(&mut work) {
        Poll::Ready(handled) => handled,
        Poll::Pending => tokio::join!(wait_for(work, shared, intake), due.acknowledge()).0?,
    };
    due.add(handled).await;
    Ok(())
}

/// Waits for a work. One that outlasts its channel goes on elsewhere.
async fn wait_for<W>(
    mut work: Pin<Box<W>>,
    shared: &Arc<Shared>,
    intake: &Intake,
) -> Result<Option<Acker>, End>
where
    W: Future<Output = Option<Acker>> + Send + 'static,
{
    let end = tokio::select! {
        biased;
        handled = &mut work => return Ok(handled),
        () = shared.stop.cancelled() => End::Stopped,
        cause = intake.lost() => End::Cut(cause),
    };
    let this = Arc::clone(shared);
    // Tracked to the end of its answer: a channel is closed behind that.
    shared.handlers.spawn(async move {
        if let Some(acker) = work.await {
            handle::acknowledged(&this, &acker, 1).await;
        }
    });
    Err(end)
}

/// Messages that were handled and are not acknowledged yet: all up to the last that was, as those that
/// failed are answered by then.
struct Due<'a> {
    shared: &'a Shared,
    last: Option<Acker>,
    messages: u64,
}

impl Due<'_> {
    async fn add(&mut self, handled: Option<Acker>) {
        let Some(acker) = handled else { return };
        self.last = Some(acker);
        self.messages += 1;
        if self.messages >= u64::from(self.shared.settings.bounded_acknowledge_together()) {
            self.acknowledge().await;
        }
    }

    async fn acknowledge(&mut self) {
        if let Some(last) = self.last.take() {
            handle::acknowledged(self.shared, &last, mem::take(&mut self.messages)).await;
        }
    }
}

//! Everything that is on its way on one channel: whoever waits for one message settles what is done.

use super::message::Message;
use super::news::{Bell, News};
use super::sending::Sending;
use super::settings::LONGEST;
use super::settle::Settling;
use super::slots::{Answer, Slots, Timing};
use super::window::Place;
use lapin::Channel;
use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::time::{Instant, sleep_until};

/// The messages on their way on one channel.
pub(super) struct InFlight {
    news: Arc<News>,
    slots: Mutex<Slots>,
}

/// The answer to come of one message. When it is dropped, the message is on its way all the same.
pub(super) struct Ticket {
    in_flight: Arc<InFlight>,
    bell: Arc<Bell>,
    /// `None` when the answer was given.
    slot: Option<usize>,
    /// Whether it was asked for its answer before.
    is_asked: bool,
}

impl InFlight {
    pub(super) fn new(
        channel: Arc<Channel>,
        news: News,
        settling: Settling,
        sending: Box<dyn Sending>,
    ) -> Self {
        let slots = Slots::new(channel, settling, sending);
        Self { news: Arc::new(news), slots: Mutex::new(slots) }
    }

    /// Hands a message to the driver, before this returns: the order of these calls is the order on
    /// the wire. Gives them back where nothing more is taken.
    pub(super) fn submit(
        self: &Arc<Self>,
        message: Box<Message>,
        timing: Timing,
        place: Place,
    ) -> Result<Ticket, (Box<Message>, Place)> {
        let mut slots = self.slots();
        if self.is_closed() || !slots.is_connected() {
            self.news.close();
            return Err((message, place));
        }
        let slot = slots.occupy(message, timing, place, &self.news);
        slots.send(slot, timing.sent, &self.news);
        let bell = slots.bell(slot);
        let is_next = slots.is_next(timing.deadline);
        // From two on, one could wait for the other.
        let is_second = slots.under_way() == 2;
        wake(slots);
        if is_next || is_second {
            self.news.wake_keeper();
        }
        Ok(Ticket { in_flight: Arc::clone(self), bell, slot: Some(slot), is_asked: false })
    }

    /// Takes nothing more. What is under way stays so until it is settled.
    pub(super) fn close(&self) {
        let _slots = self.slots();
        self.news.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.news.is_closed()
    }

    /// Has the keeper look at what there is news of, and may not have been looked at.
    pub(super) fn hurry(&self) {
        self.news.wake_keeper();
    }

    /// Settles what nobody else settles and tells who is late, until it is closed and nothing is
    /// under way.
    pub(super) async fn keep(&self) {
        let _kept = Kept(self);
        let mut alarm = pin!(sleep_until(Instant::now()));
        poll_fn(|context| {
            self.news.keep(context.waker());
            let (left, next) = self.look(|slots| {
                if self.news.is_urgent() {
                    slots.settle_all();
                }
                let now = Instant::now();
                slots.tell_late(now);
                (slots.under_way(), slots.next_look(now))
            });
            if self.is_closed() && left == 0 {
                return Poll::Ready(());
            }
            if let Some(next) = next {
                if alarm.deadline() != next {
                    alarm.as_mut().reset(next);
                }
                if alarm.as_mut().poll(context).is_ready() {
                    context.waker().wake_by_ref();
                }
            }
            Poll::Pending
        })
        .await;
    }

    /// Looks at what there is news of, and then does `and`.
    fn look<T>(&self, and: impl FnOnce(&mut Slots) -> T) -> T {
        let mut slots = self.slots();
        slots.look(&self.news);
        let result = and(&mut slots);
        wake(slots);
        result
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells everybody that they are late once nobody keeps deadlines: with the keeper's runtime gone,
/// they would wait for ever.
struct Kept<'a>(&'a InFlight);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.look(|slots| slots.tell_late(Instant::now() + LONGEST));
    }
}

/// Wakes those of whose messages something is known.
fn wake(mut slots: MutexGuard<'_, Slots>) {
    let woken = slots.take_woken();
    drop(slots);
    woken.into_iter().for_each(Waker::wake);
}

impl Ticket {
    /// The answer, or `caller` is woken once there is one.
    fn ask(&mut self, slot: usize, caller: &Waker) -> Option<Answer> {
        let is_asked = mem::replace(&mut self.is_asked, true);
        if is_asked && let Some(answer) = self.in_flight.slots().take(slot) {
            return Some(answer);
        }
        self.bell.register(caller);
        let bell = &self.bell;
        // Who leaves the slot takes its waker along: the next message is not to wake this caller
        // where it should wake the keeper.
        let take = |slots: &mut Slots| slots.take(slot).map(|answer| (answer, bell.reset()));
        let taken = if is_asked {
            self.in_flight.look(take)
        } else {
            // It has just been sent. If there is news by now, somebody was told to look, and wakes
            // this caller; what was looked at before it registered is here.
            take(&mut self.in_flight.slots())
        };
        taken.map(|(answer, _waker)| answer)
    }
}

impl Future for Ticket {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let Some(slot) = self.slot else { return Poll::Pending };
        let Some(answer) = self.ask(slot, context.waker()) else { return Poll::Pending };
        if matches!(answer, Answer::Late) {
            // It may have been the one who was to look.
            self.in_flight.hurry();
        }
        self.slot = None;
        Poll::Ready(answer)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        let caller = self.bell.reset();
        self.in_flight.slots().abandon(slot);
        drop(caller);
        // It may have been the one who was to look.
        self.in_flight.hurry();
    }
}

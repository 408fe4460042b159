//! Everything that is on its way on one channel: whoever waits for one message settles what is done.

use super::message::Message;
use super::news::{Bell, News};
use super::outcome::PublishError;
use super::settle::{Settling, Word};
use super::window::Place;
use crate::classify::is_ours;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, ErrorKind};
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio_util::sync::ReusableBoxFuture;

/// What there is to say of a message.
#[derive(Debug)]
pub(super) enum Answer {
    Settled(Result<(), PublishError>),
    /// The channel went before it was sent: another session may send it.
    Unsent,
}

/// The messages on their way on one channel.
pub(super) struct InFlight {
    news: Arc<News>,
    state: Mutex<State>,
}

struct State {
    channel: Arc<Channel>,
    options: BasicPublishOptions,
    settling: Settling,
    slots: Vec<Slot>,
    free: Vec<usize>,
    under_way: usize,
    /// Kept for its memory.
    told: Vec<(usize, Instant)>,
    said: Vec<usize>,
    /// Those of whose messages something is known, to be woken without the lock.
    woken: Vec<Waker>,
}

/// Room for one message, used for one after the other with what it has of memory.
struct Slot {
    bell: Arc<Bell>,
    waker: Waker,
    sending: ReusableBoxFuture<'static, Word>,
    content: Content,
}

enum Content {
    Vacant,
    UnderWay(UnderWay),
    /// To be taken by the caller.
    Settled(Option<Answer>),
}

struct UnderWay {
    message: Arc<Message>,
    sent: Instant,
    /// Given back when it is settled.
    _place: Place,
    /// Nobody will take the answer.
    abandoned: bool,
    /// What is known of it since when, once that is so.
    said: Option<(Word, Instant)>,
}

/// The answer to come of one message. When it is dropped, the message is on its way all the same.
pub(super) struct Ticket {
    in_flight: Arc<InFlight>,
    bell: Arc<Bell>,
    /// `None` when the answer was given.
    slot: Option<usize>,
}

impl InFlight {
    pub(super) fn new(
        channel: Arc<Channel>,
        news: News,
        settling: Settling,
        mandatory: bool,
    ) -> Self {
        let options = BasicPublishOptions { mandatory, immediate: false };
        let state = State {
            channel,
            options,
            settling,
            slots: Vec::new(),
            free: Vec::new(),
            under_way: 0,
            told: Vec::new(),
            said: Vec::new(),
            woken: Vec::new(),
        };
        Self { news: Arc::new(news), state: Mutex::new(state) }
    }

    /// Hands a message to the driver, before this returns: the order of these calls is the order on
    /// the wire. Gives the place back where nothing more is taken.
    pub(super) fn submit(
        self: &Arc<Self>,
        message: &Arc<Message>,
        place: Place,
    ) -> Result<Ticket, Place> {
        let mut state = self.state();
        if self.is_closed() {
            return Err(place);
        }
        let slot = state.occupy(message, place, &self.news);
        state.poll(slot, Instant::now(), &self.news);
        let bell = Arc::clone(&state.slots[slot].bell);
        Ok(Ticket { in_flight: Arc::clone(self), bell, slot: Some(slot) })
    }

    /// Takes nothing more. What is under way stays so until it is settled.
    pub(super) fn close(&self) {
        let _state = self.state();
        self.news.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.news.is_closed()
    }

    /// Has the keeper look at what there is news of, and may not have been looked at.
    pub(super) fn hurry(&self) {
        self.news.wake_keeper();
    }

    /// Settles what nobody else settles, until it is closed and nothing is under way.
    pub(super) async fn keep(&self) {
        poll_fn(|context| {
            self.news.keep(context.waker());
            let left = self.look(|state| {
                if self.news.is_urgent() {
                    state.settle_all(&self.news);
                }
                state.under_way
            });
            if self.is_closed() && left == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Looks at what there is news of, and then does `and`.
    fn look<T>(&self, and: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        state.look(&self.news);
        let result = and(&mut state);
        wake(state);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes those of whose messages something is known.
fn wake(mut state: MutexGuard<'_, State>) {
    let woken = mem::take(&mut state.woken);
    drop(state);
    woken.into_iter().for_each(Waker::wake);
}

impl State {
    /// Gives the message a slot.
    fn occupy(&mut self, message: &Arc<Message>, place: Place, news: &Arc<News>) -> usize {
        let sent = Instant::now();
        let sending = send(Arc::clone(&self.channel), Arc::clone(message), self.options);
        let message = Arc::clone(message);
        let content = Content::UnderWay(UnderWay {
            message,
            sent,
            _place: place,
            abandoned: false,
            said: None,
        });
        self.set_under_way(self.under_way + 1, news);
        if let Some(free) = self.free.pop() {
            let slot = &mut self.slots[free];
            slot.sending.set(sending);
            slot.content = content;
            return free;
        }
        let bell = Arc::new(Bell::new(self.slots.len(), Arc::clone(news)));
        let waker = Waker::from(Arc::clone(&bell));
        let sending = ReusableBoxFuture::new(sending);
        self.slots.push(Slot { bell, waker, sending, content });
        self.slots.len() - 1
    }

    fn set_under_way(&mut self, under_way: usize, news: &News) {
        self.under_way = under_way;
        news.set_under_way(under_way);
    }

    /// Asks all that there is news of, and wakes whose it is; they settle it themselves, so that the
    /// first of them can publish the next message while others are not settled yet.
    ///
    /// A confirm counts only once the acknowledgement that it came with has been taken in whole,
    /// because a return may come with another confirm of it.
    fn look(&mut self, news: &News) {
        let mut said = mem::take(&mut self.said);
        self.poll_told(news, &mut said);
        let mut whole = said.is_empty();
        while !whole {
            let before = said.len();
            self.settling.await_whole_acknowledgement(&self.channel);
            self.poll_told(news, &mut said);
            whole = said.len() == before;
        }
        for slot in said.drain(..) {
            if matches!(&self.slots[slot].content, Content::UnderWay(it) if it.abandoned) {
                self.settle(slot, news);
                self.leave(slot);
            } else {
                self.woken.extend(self.slots[slot].bell.reset());
            }
        }
        self.said = said;
    }

    /// Asks those that there is news of; those of which something is known are added to `said`.
    fn poll_told(&mut self, news: &News, said: &mut Vec<usize>) {
        let mut told = mem::take(&mut self.told);
        news.take(&mut told);
        for (slot, at) in told.drain(..) {
            if self.poll(slot, at, news) {
                said.push(slot);
            }
        }
        self.told = told;
    }

    /// Asks one; whether something is known of it now. News may be late, of the message before: none
    /// is asked twice.
    fn poll(&mut self, slot: usize, at: Instant, news: &News) -> bool {
        let Slot { waker, sending, content, .. } = &mut self.slots[slot];
        let Content::UnderWay(under_way @ UnderWay { said: None, .. }) = content else {
            return false;
        };
        let Poll::Ready(word) = sending.poll(&mut Context::from_waker(waker)) else {
            return false;
        };
        if matches!(word, Word::Unsent | Word::Unconfirmed(_)) {
            // What ends a message so ends the channel, and the next ones go elsewhere.
            news.close();
        }
        self.settling.note(&word);
        under_way.said = Some((word, at));
        true
    }

    /// The answer of a message, once something is known of it; its slot is free then.
    fn take(&mut self, slot: usize, news: &News) -> Option<Answer> {
        self.settle(slot, news);
        let Content::Settled(answer) = &mut self.slots[slot].content else { return None };
        let answer = answer.take();
        self.leave(slot);
        answer
    }

    /// Settles everything of which something is known.
    fn settle_all(&mut self, news: &News) {
        for slot in 0..self.slots.len() {
            self.settle(slot, news);
        }
    }

    /// Settles a message of which something is known: it gives up its place.
    fn settle(&mut self, slot: usize, news: &News) {
        let content = &mut self.slots[slot].content;
        let Content::UnderWay(under_way) = content else { return };
        let Some((word, at)) = under_way.said.take() else { return };
        let took = at.saturating_duration_since(under_way.sent);
        let answer = self.settling.answer(&under_way.message, word, took);
        *content = Content::Settled(Some(answer));
        self.set_under_way(self.under_way - 1, news);
    }

    /// Frees a slot that nobody is to be woken for any more.
    fn leave(&mut self, slot: usize) {
        self.slots[slot].content = Content::Vacant;
        self.free.push(slot);
    }
}

impl Future for Ticket {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let Some(slot) = self.slot else { return Poll::Pending };
        let news = &self.in_flight.news;
        let mut answer = self.in_flight.state().take(slot, news);
        if answer.is_none() {
            self.bell.register(context.waker());
            answer = self.in_flight.look(|state| state.take(slot, news));
        }
        let Some(answer) = answer else { return Poll::Pending };
        self.slot = None;
        Poll::Ready(answer)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        let caller = self.bell.reset();
        let mut state = self.in_flight.state();
        state.settle(slot, &self.in_flight.news);
        match &mut state.slots[slot].content {
            Content::UnderWay(under_way) => under_way.abandoned = true,
            Content::Settled(_) | Content::Vacant => state.leave(slot),
        }
        drop(state);
        drop(caller);
        // It may have been the one who was to look.
        self.in_flight.hurry();
    }
}

async fn send(channel: Arc<Channel>, message: Arc<Message>, options: BasicPublishOptions) -> Word {
    let published = channel
        .basic_publish(
            message.exchange.clone(),
            message.routing_key.clone(),
            options,
            &message.payload,
            message.properties.clone(),
        )
        .await;
    match published {
        Ok(confirm) => confirm.await.map_or_else(unconfirmed, Word::from),
        Err(error) if is_unsent(&error) => Word::Unsent,
        Err(error) => unconfirmed(error),
    }
}

fn unconfirmed(error: lapin::Error) -> Word {
    Word::Unconfirmed(Box::new(error))
}

/// The driver looks at the channel's state before it writes anything. Other errors of a state may
/// have come over what was being written.
fn is_unsent(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidChannelState(_, method) if is_ours(method))
}

//! Room for each message that is on its way on one channel, from the driver's future to the answer.

use super::message::Message;
use super::news::{Bell, News};
use super::outcome::PublishError;
use super::sending::Sending;
use super::settle::{Settling, Word};
use super::window::Place;
use lapin::Channel;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// So long the keeper leaves it to the caller that was told to look: a caller may be busy, or not look
/// at all. To wake both each time would cost a switch of threads.
const STEP_IN: Duration = Duration::from_millis(5);

/// What there is to say of a message.
#[derive(Debug)]
pub(super) enum Answer {
    /// Confirmed under this id, or not.
    Settled(Result<String, PublishError>),
    /// The channel went before it was sent.
    Unsent,
    /// Nothing was known of it at its deadline. It is on its way all the same.
    Late,
}

/// When a message was handed over, and until when its caller waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) sent: Instant,
    pub(super) deadline: Instant,
}

impl Timing {
    /// For a message that is handed over now.
    pub(super) fn within(limit: Duration) -> Self {
        let sent = Instant::now();
        Self { sent, deadline: sent + limit }
    }
}

/// The messages on their way on one channel, each in a slot.
pub(super) struct Slots {
    channel: Arc<Channel>,
    sending: Box<dyn Sending>,
    settling: Settling,
    all: Vec<Slot>,
    free: Vec<usize>,
    under_way: usize,
    /// When the keeper looks who is late; none of them is before.
    alarm: Option<Instant>,
    /// Kept for its memory.
    told: Vec<usize>,
    said: Vec<usize>,
    /// Those of whose messages something is known, to be woken without the lock.
    woken: Vec<Waker>,
}

/// Room for one message, used for one after the other with what it has of memory.
struct Slot {
    bell: Arc<Bell>,
    waker: Waker,
    /// What the message is known by, and where it goes.
    id: String,
    exchange: String,
    content: Content,
}

enum Content {
    Vacant,
    UnderWay(UnderWay),
    /// To be taken by the caller.
    Settled(Option<Answer>),
}

struct UnderWay {
    timing: Timing,
    /// Given back when it is settled.
    _place: Place,
    caller: Caller,
    /// What is known of it since when, once that is so.
    said: Option<(Word, Instant)>,
}

/// What the caller of a message that is under way does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Waits,
    /// Is to be told that its time is over.
    Late,
    /// Will not take the answer.
    Gone,
}

impl Slots {
    pub(super) fn new(
        channel: Arc<Channel>,
        settling: Settling,
        sending: Box<dyn Sending>,
    ) -> Self {
        Self {
            channel,
            sending,
            settling,
            all: Vec::new(),
            free: Vec::new(),
            under_way: 0,
            alarm: None,
            told: Vec::new(),
            said: Vec::new(),
            woken: Vec::new(),
        }
    }

    /// Whether the channel takes messages.
    pub(super) fn is_connected(&self) -> bool {
        self.channel.status().connected()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// What the driver rings for the message in a slot.
    pub(super) fn bell(&self, slot: usize) -> Arc<Bell> {
        Arc::clone(&self.all[slot].bell)
    }

    /// Those to wake, without the lock.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        mem::take(&mut self.woken)
    }

    /// Nobody takes the answer of a message any more.
    pub(super) fn abandon(&mut self, slot: usize) {
        self.settle(slot);
        match &mut self.all[slot].content {
            Content::UnderWay(under_way) => under_way.caller = Caller::Gone,
            Content::Settled(_) | Content::Vacant => self.leave(slot),
        }
    }

    /// Gives the message a slot.
    pub(super) fn occupy(
        &mut self,
        message: Box<Message>,
        timing: Timing,
        place: Place,
        news: &Arc<News>,
    ) -> usize {
        let slot = self.free.pop().unwrap_or(self.all.len());
        if slot == self.all.len() {
            self.all.push(Slot::new(Bell::new(slot, Arc::clone(news))));
        }
        self.all[slot].hold(&message, timing, place);
        self.under_way += 1;
        self.sending.begin(slot, message);
        slot
    }

    /// Whether the keeper has to be told of a deadline: the others are later, as long as all have the
    /// same limit.
    pub(super) fn is_next(&mut self, deadline: Instant) -> bool {
        let is_next = self.alarm.is_none_or(|alarm| deadline < alarm);
        if is_next {
            self.alarm = Some(deadline);
        }
        is_next
    }

    /// When the keeper looks next: at the next deadline, or soon where somebody could wait for what
    /// another was told to look at.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        if self.under_way < 2 {
            return self.alarm;
        }
        let soon = now + STEP_IN;
        Some(self.alarm.map_or(soon, |alarm| alarm.min(soon)))
    }

    /// Has those woken whose deadline is over, and sets the alarm for the others.
    pub(super) fn tell_late(&mut self, now: Instant) {
        if self.alarm.is_none_or(|alarm| alarm > now) {
            return;
        }
        self.alarm = None;
        for Slot { bell, content, .. } in &mut self.all {
            let Content::UnderWay(it @ UnderWay { caller: Caller::Waits, .. }) = content else {
                continue;
            };
            if it.timing.deadline <= now {
                it.caller = Caller::Late;
                self.woken.extend(bell.reset());
            } else if self.alarm.is_none_or(|alarm| it.timing.deadline < alarm) {
                self.alarm = Some(it.timing.deadline);
            }
        }
    }

    /// Asks all that there is news of, and wakes whose it is; they settle it themselves, so that the
    /// first of them can publish the next message while others are not settled yet.
    ///
    /// A confirm counts only once the acknowledgement that it came with has been taken in whole,
    /// because a return may come with another confirm of it.
    pub(super) fn look(&mut self, news: &News) {
        let mut said = mem::take(&mut self.said);
        self.poll_told(news, &mut said);
        self.take_in(news, said);
    }

    /// Has the driver begin with a message that has a slot. Where this thread had to pause meanwhile,
    /// its confirm may be there, and that counts no sooner than any other.
    pub(super) fn send(&mut self, slot: usize, at: Instant, news: &News) {
        if self.poll(slot, at, news) {
            let mut said = mem::take(&mut self.said);
            said.push(slot);
            self.take_in(news, said);
        }
    }

    /// Takes the whole acknowledgement in of which these are a part.
    fn take_in(&mut self, news: &News, mut said: Vec<usize>) {
        let mut whole = said.is_empty();
        while !whole {
            let before = said.len();
            self.settling.await_whole_acknowledgement(&self.channel);
            self.poll_told(news, &mut said);
            whole = said.len() == before;
        }
        for slot in said.drain(..) {
            if self.all[slot].is_left() {
                self.settle(slot);
                self.leave(slot);
            } else {
                self.woken.extend(self.all[slot].bell.reset());
            }
        }
        self.said = said;
    }

    /// Asks those that there is news of; those of which something is known are added to `said`.
    fn poll_told(&mut self, news: &News, said: &mut Vec<usize>) {
        let mut told = mem::take(&mut self.told);
        if let Some(since) = news.take(&mut told) {
            said.extend(told.drain(..).filter(|&slot| self.poll(slot, since, news)));
        }
        self.told = told;
    }

    /// Asks one; whether something is known of it now. News may be late, of the message before: none
    /// is asked twice.
    fn poll(&mut self, slot: usize, at: Instant, news: &News) -> bool {
        let Slot { waker, content, .. } = &mut self.all[slot];
        let Content::UnderWay(under_way @ UnderWay { said: None, .. }) = content else {
            return false;
        };
        let Poll::Ready(word) = self.sending.poll(slot, &mut Context::from_waker(waker)) else {
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

    /// The answer of a message, once something is known of it or its time is over. The caller has
    /// left its slot then.
    pub(super) fn take(&mut self, slot: usize) -> Option<Answer> {
        self.settle(slot);
        match &mut self.all[slot].content {
            Content::Settled(answer) => {
                let answer = answer.take();
                self.leave(slot);
                answer
            }
            Content::UnderWay(it) if it.caller == Caller::Late => {
                it.caller = Caller::Gone;
                Some(Answer::Late)
            }
            Content::UnderWay(_) | Content::Vacant => None,
        }
    }

    /// Settles everything of which something is known.
    pub(super) fn settle_all(&mut self) {
        for slot in 0..self.all.len() {
            self.settle(slot);
        }
    }

    /// Settles a message of which something is known: it gives up its place.
    fn settle(&mut self, slot: usize) {
        let Slot { id, exchange, content, .. } = &mut self.all[slot];
        let Content::UnderWay(under_way) = content else { return };
        let Some((word, at)) = under_way.said.take() else { return };
        let took = at.saturating_duration_since(under_way.timing.sent);
        let answer = self.settling.answer(id, exchange, word, took);
        *content = Content::Settled(Some(answer));
        self.under_way -= 1;
    }

    /// Frees a slot that nobody is to be woken for any more.
    fn leave(&mut self, slot: usize) {
        self.all[slot].content = Content::Vacant;
        self.free.push(slot);
    }
}

impl Slot {
    fn new(bell: Bell) -> Self {
        let bell = Arc::new(bell);
        let waker = Waker::from(Arc::clone(&bell));
        Self { bell, waker, id: String::new(), exchange: String::new(), content: Content::Vacant }
    }

    fn hold(&mut self, message: &Message, timing: Timing, place: Place) {
        message.id().clone_into(&mut self.id);
        message.exchange.as_str().clone_into(&mut self.exchange);
        let caller = Caller::Waits;
        self.content = Content::UnderWay(UnderWay { timing, _place: place, caller, said: None });
    }

    /// Whether it holds a message that nobody waits for.
    fn is_left(&self) -> bool {
        matches!(&self.content, Content::UnderWay(it) if it.caller == Caller::Gone)
    }
}

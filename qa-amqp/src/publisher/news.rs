//! Which messages the driver has news of, and who looks.

use futures_util::task::AtomicWaker;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use tokio::time::Instant;

/// The slots of messages that there is news of. Who looks first looks at all.
///
/// The first message that there is news of has its caller woken, who looks at all that has come since:
/// that spares most messages a task to go through. A caller may not look soon, or not at all. So the
/// keeper, a task, is woken as well where somebody waits for room, and else looks by itself every few
/// milliseconds while several are under way.
pub(super) struct News {
    untaken: Mutex<Untaken>,
    keeper: AtomicWaker,
    /// How many wait for others' messages to be settled.
    waiting: Arc<AtomicUsize>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Untaken {
    slots: Vec<usize>,
    /// Since when there are any.
    since: Option<Instant>,
}

impl News {
    pub(super) fn new(waiting: Arc<AtomicUsize>) -> Self {
        Self {
            untaken: Mutex::default(),
            keeper: AtomicWaker::new(),
            waiting,
            closed: AtomicBool::new(false),
        }
    }

    /// All that there is, into `taken`, which is to be empty, and since when, where there is any. The
    /// clock is read once for all of them: they come together, and somebody was told to look with the
    /// first.
    pub(super) fn take(&self, taken: &mut Vec<usize>) -> Option<Instant> {
        let mut untaken = self.untaken();
        mem::swap(&mut untaken.slots, taken);
        untaken.since.take()
    }

    /// Whom to wake as the keeper. It has to look after this: what came before is not told again.
    pub(super) fn keep(&self, keeper: &Waker) {
        self.keeper.register(keeper);
    }

    pub(super) fn wake_keeper(&self) {
        self.keeper.wake();
    }

    /// From now on the keeper is woken each time.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake_keeper();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Adds a slot; whether there was none.
    fn add(&self, slot: usize) -> bool {
        let mut untaken = self.untaken();
        untaken.slots.push(slot);
        let is_first = untaken.since.is_none();
        if is_first {
            untaken.since = Some(Instant::now());
        }
        is_first
    }

    fn untaken(&self) -> MutexGuard<'_, Untaken> {
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the keeper is to settle what others could settle.
    pub(super) fn is_urgent(&self) -> bool {
        self.is_closed() || self.waiting.load(Ordering::SeqCst) > 0
    }
}

/// What the driver rings when it has news of the message in one slot; used for one message after
/// the other.
pub(super) struct Bell {
    slot: usize,
    news: Arc<News>,
    caller: AtomicWaker,
}

impl Bell {
    pub(super) fn new(slot: usize, news: Arc<News>) -> Self {
        Self { slot, news, caller: AtomicWaker::new() }
    }

    /// Whom to wake. It has to look after this.
    pub(super) fn register(&self, caller: &Waker) {
        self.caller.register(caller);
    }

    /// Forgets the caller, and gives back how to wake it, unless it was woken since it registered. To
    /// wake it or to drop that can have any effect, and is not for where something is locked.
    pub(super) fn reset(&self) -> Option<Waker> {
        self.caller.take()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// Wakes somebody to look where nobody was told to since somebody did.
    fn wake_by_ref(self: &Arc<Self>) {
        let is_first = self.news.add(self.slot);
        if is_first {
            match self.caller.take() {
                Some(caller) => caller.wake(),
                None => self.news.wake_keeper(),
            }
        }
        if self.news.is_urgent() {
            self.news.wake_keeper();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Somebody who counts how often it was woken.
    fn somebody() -> (Arc<Counter>, Waker) {
        let counter = Arc::new(Counter::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    fn woken(counter: &Counter) -> usize {
        counter.0.swap(0, Ordering::SeqCst)
    }

    #[test]
    fn the_first_wakes_its_caller_and_any_wakes_the_keeper_where_somebody_waits() {
        let waiting = Arc::new(AtomicUsize::new(0));
        let news = Arc::new(News::new(Arc::clone(&waiting)));
        let bell = Arc::new(Bell::new(7, Arc::clone(&news)));
        let ((caller, caller_waker), (keeper, keeper_waker)) = (somebody(), somebody());
        let ready = || {
            bell.register(&caller_waker);
            news.keep(&keeper_waker);
        };
        let ring = || {
            Waker::from(Arc::clone(&bell)).wake();
            (woken(&caller), woken(&keeper))
        };
        let taken = || {
            let mut taken = Vec::new();
            let since = news.take(&mut taken);
            assert_eq!(since.is_some(), !taken.is_empty());
            taken.len()
        };
        ready();
        assert_eq!(ring(), (1, 0), "it is the first");
        ready();
        assert_eq!(ring(), (0, 0), "somebody was told to look");
        waiting.store(1, Ordering::SeqCst);
        assert_eq!(ring(), (0, 1), "somebody waits");
        waiting.store(0, Ordering::SeqCst);
        assert_eq!(taken(), 3);
        ready();
        drop(bell.reset());
        assert_eq!(ring(), (0, 1), "there is no caller");
        ready();
        news.close();
        assert_eq!(woken(&keeper), 1);
        news.keep(&keeper_waker);
        assert_eq!(ring(), (0, 1), "it is closed");
        assert_eq!((taken(), taken()), (2, 0), "what is taken is taken once");
    }
}

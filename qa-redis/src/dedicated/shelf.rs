//! Things that are lent one at a time, first come, first served.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// What is there to be lent, and who waits for it.
///
/// It makes nothing itself: [`wanted`](Shelf::wanted) says how many should be made, and what was made
/// goes to whoever has waited longest, as what comes back does. So nobody waits for the making of one
/// while another is given back.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    /// One permit for each thing that is here; it is fair.
    here: Semaphore,
    state: Mutex<State<T>>,
    waiting: AtomicUsize,
    most: usize,
    most_being_made: usize,
}

#[derive(Debug)]
struct State<T> {
    /// The last that came back is the next to go.
    things: Vec<T>,
    /// Here, lent, and being made.
    all: usize,
    being_made: usize,
}

/// Somebody who waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<T> Shelf<T> {
    pub(super) fn new(most: usize, most_being_made: usize) -> Self {
        let state = State { things: Vec::new(), all: 0, being_made: 0 };
        Self {
            here: Semaphore::new(0),
            state: Mutex::new(state),
            waiting: AtomicUsize::new(0),
            most,
            most_being_made,
        }
    }

    /// The next thing, once it is the caller's turn; `None` once this is closed. `make` is called once
    /// the caller counts as waiting.
    ///
    /// When the future is dropped, the caller's turn goes to the next.
    pub(super) async fn take(&self, make: impl FnOnce()) -> Option<T> {
        if let Ok(turn) = self.here.try_acquire() {
            turn.forget();
            return self.state().things.pop();
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        make();
        self.here.acquire().await.ok()?.forget();
        self.state().things.pop()
    }

    /// Puts a thing there, lent before or made.
    pub(super) fn give(&self, thing: T) {
        self.state().things.push(thing);
        self.here.add_permits(1);
    }

    /// A thing that was lent will not come back.
    pub(super) fn discard(&self) {
        self.state().all -= 1;
    }

    /// How many are to be made now: no more than wait for one. They count from now on.
    pub(super) fn wanted(&self) -> usize {
        let mut state = self.state();
        // Who is to have one that is here still counts as waiting until it runs.
        let coming = state.being_made + state.things.len();
        let unserved = self.waiting().saturating_sub(coming);
        let wanted =
            unserved.min(self.most_being_made - state.being_made).min(self.most - state.all);
        state.being_made += wanted;
        state.all += wanted;
        wanted
    }

    /// One that was to be made is made, and put there.
    pub(super) fn made(&self, thing: T) {
        self.state().being_made -= 1;
        self.give(thing);
    }

    /// One that was to be made is not.
    pub(super) fn not_made(&self) {
        let mut state = self.state();
        state.being_made -= 1;
        state.all -= 1;
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// How many there are: here, lent, and being made.
    pub(super) fn all(&self) -> usize {
        self.state().all
    }

    /// Lends nothing any more, and gives what is here.
    pub(super) fn close(&self) -> Vec<T> {
        self.here.close();
        std::mem::take(&mut self.state().things)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use std::sync::Arc;

    fn none() {}

    #[test]
    fn who_waited_longest_is_next_and_who_gave_up_is_passed_over() {
        let shelf = Shelf::new(4, 2);
        let mut first = Box::pin(shelf.take(none));
        let mut second = Box::pin(shelf.take(none));
        let mut third = Box::pin(shelf.take(none));
        for waits in [&mut first, &mut second, &mut third] {
            assert!(waits.now_or_never().is_none());
        }
        assert_eq!(shelf.waiting(), 3);
        drop(first);
        shelf.give('a');
        assert!((&mut third).now_or_never().is_none(), "the second is before");
        // Its turn has come and is not taken: it goes to the next.
        drop(second);
        assert_eq!(third.now_or_never(), Some(Some('a')));
        assert_eq!(shelf.waiting(), 0);
        shelf.give('a');
        assert_eq!(shelf.take(none).now_or_never(), Some(Some('a')));
    }

    #[test]
    fn as_many_are_made_as_wait_and_no_more_than_allowed() {
        let shelf = Shelf::new(3, 2);
        assert_eq!(shelf.wanted(), 0, "nobody waits");
        let mut all: Vec<_> = (0..5).map(|_| Box::pin(shelf.take(none))).collect();
        assert!((&mut all[0]).now_or_never().is_none());
        assert_eq!(shelf.wanted(), 1);
        for waits in &mut all {
            assert!(waits.now_or_never().is_none());
        }
        assert_eq!((shelf.wanted(), shelf.wanted()), (1, 0), "two at once");
        shelf.made('a');
        assert_eq!((shelf.wanted(), shelf.all()), (1, 3), "four are not served, and one is made");
        shelf.not_made();
        assert_eq!((&mut all[0]).now_or_never(), Some(Some('a')));
        assert_eq!((shelf.wanted(), shelf.all()), (1, 3));
        shelf.made('b');
        assert_eq!((&mut all[1]).now_or_never(), Some(Some('b')));
        assert_eq!(shelf.wanted(), 0, "three are all there may be");
        shelf.not_made();
        assert_eq!((shelf.wanted(), shelf.all()), (1, 3));
        shelf.discard();
        assert_eq!((shelf.wanted(), shelf.all()), (1, 3));
    }

    #[test]
    fn none_is_made_for_who_is_to_have_one_that_is_here() {
        let shelf = Shelf::new(9, 2);
        let mut both: Vec<_> = (0..2).map(|_| Box::pin(shelf.take(none))).collect();
        for waits in &mut both {
            assert!(waits.now_or_never().is_none());
        }
        assert_eq!(shelf.wanted(), 2);
        shelf.made('a');
        shelf.made('b');
        assert_eq!((shelf.waiting(), shelf.wanted()), (2, 0), "neither has run since");
    }

    #[test]
    fn once_closed_nobody_waits() {
        let shelf = Shelf::new(1, 1);
        let mut waits = Box::pin(shelf.take(none));
        assert!((&mut waits).now_or_never().is_none());
        assert!(shelf.close().is_empty());
        assert_eq!(waits.now_or_never(), Some(None));
        shelf.give('a');
        assert_eq!(shelf.take(none).now_or_never(), Some(None));
        assert_eq!(shelf.close(), ['a']);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn none_is_lost_and_none_is_lent_twice_whoever_gives_up() {
        let shelf = Arc::new(Shelf::new(4, 2));
        for thing in 0..4_usize {
            shelf.give(thing);
        }
        let lent: Arc<Vec<AtomicUsize>> = Arc::new((0..4).map(|_| AtomicUsize::new(0)).collect());
        let tasks = (0..64).map(|_| {
            let (shelf, lent) = (Arc::clone(&shelf), Arc::clone(&lent));
            tokio::spawn(async move {
                let mut served = 0;
                for _ in 0..1_000 {
                    let take = shelf.take(none);
                    // Given up at any moment: after so many polls.
                    let thing = give_up_after(take, fastrand::u32(1..4)).await;
                    let Some(Some(thing)) = thing else { continue };
                    assert_eq!(lent[thing].fetch_add(1, Ordering::SeqCst), 0, "lent twice");
                    tokio::task::yield_now().await;
                    lent[thing].fetch_sub(1, Ordering::SeqCst);
                    shelf.give(thing);
                    served += 1;
                }
                served
            })
        });
        let served: usize = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
        assert!(served > 0);
        let mut all = shelf.close();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
        assert_eq!(shelf.waiting(), 0);
    }

    /// Polls so often, and drops it then.
    async fn give_up_after<F: Future>(future: F, polls: u32) -> Option<F::Output> {
        let mut future = Box::pin(future);
        for _ in 0..polls {
            if let Some(output) = (&mut future).now_or_never() {
                return Some(output);
            }
            tokio::task::yield_now().await;
        }
        None
    }
}

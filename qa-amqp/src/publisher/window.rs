//! What bounds the messages that are on their way, by number and by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// What one acquire of a semaphore can take; no broker keeps up with it.
const LARGEST: usize = 1 << 28;

/// The window. Both bounds are met in the order of asking.
pub(super) struct Window {
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    all_messages: u32,
    all_bytes: u32,
    waiting: Arc<AtomicUsize>,
}

/// Somebody who waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

/// The place of one message; there is room for another when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _message: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Window {
    pub(super) fn new(messages: usize, bytes: usize) -> Self {
        let bounded = |size: usize| u32::try_from(size.clamp(1, LARGEST)).unwrap_or(u32::MAX);
        let (all_messages, all_bytes) = (bounded(messages), bounded(bytes));
        let semaphore = |size: u32| Arc::new(Semaphore::new(size as usize));
        Self {
            messages: semaphore(all_messages),
            bytes: semaphore(all_bytes),
            all_messages,
            all_bytes,
            waiting: Arc::default(),
        }
    }

    /// How many wait for others to give up their places.
    pub(super) fn waiting(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.waiting)
    }

    /// Waits for room for a message of so many bytes; one that is larger than the whole window gets
    /// all of it. `hurry` is called once this counts as waiting.
    pub(super) async fn enter(
        &self,
        size: usize,
        hurry: impl FnOnce(),
    ) -> Result<Place, AcquireError> {
        let _waiting = self.wait(hurry);
        let message = Arc::clone(&self.messages).acquire_owned().await?;
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.all_bytes);
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(size).await?;
        Ok(Place { _message: message, _bytes: bytes })
    }

    /// A place, where there is room at this moment and nobody waits for it.
    pub(super) fn try_enter(&self, size: usize) -> Option<Place> {
        let message = Arc::clone(&self.messages).try_acquire_owned().ok()?;
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.all_bytes);
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(size).ok()?;
        Some(Place { _message: message, _bytes: bytes })
    }

    /// Messages that have a place.
    pub(super) fn taken(&self) -> usize {
        (self.all_messages as usize).saturating_sub(self.messages.available_permits())
    }

    /// Lets nobody in any more, and waits until everybody is out. `hurry` is called once this counts
    /// as waiting.
    pub(super) async fn shut(&self, hurry: impl FnOnce()) {
        let _waiting = self.wait(hurry);
        // An error means that somebody else was here before.
        let _all = self.messages.acquire_many(self.all_messages).await;
        // Before they are given back, so that nobody takes one of them.
        self.messages.close();
        self.bytes.close();
    }

    fn wait(&self, hurry: impl FnOnce()) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(&self.waiting);
        hurry();
        waiting
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn both_bounds_hold_and_a_message_larger_than_the_window_goes_alone() {
        let window = Window::new(3, 10);
        let enter = |size| window.enter(size, || {}).now_or_never().map(Result::unwrap);
        let first = enter(6).unwrap();
        assert!(enter(5).is_none(), "too many bytes");
        let second = enter(4).unwrap();
        let third = enter(0).unwrap();
        assert!(enter(0).is_none(), "too many messages");
        assert_eq!(window.taken(), 3);
        drop((first, third));
        assert!(enter(1_000_000).is_none(), "another is on its way");
        drop(second);
        let alone = enter(1_000_000).unwrap();
        assert!(enter(1).is_none());
        drop(alone);
        assert_eq!(window.taken(), 0);
        assert!(
            Window::new(0, 0).enter(0, || {}).now_or_never().is_some(),
            "nothing at all counts as 1"
        );
    }

    #[tokio::test]
    async fn one_that_is_shut_waits_for_those_inside_and_then_has_nobody_in_it() {
        let window = Window::new(2, 10);
        let inside = window.enter(1, || {}).await.unwrap();
        let mut shut = Box::pin(window.shut(|| {}));
        assert!((&mut shut).now_or_never().is_none());
        assert_eq!(window.enter(1, || {}).now_or_never().map(|place| place.is_ok()), None);
        drop(inside);
        assert!(shut.now_or_never().is_some());
        assert_eq!(window.taken(), 0);
        assert!(window.try_enter(1).is_none() && window.enter(1, || {}).await.is_err());
        window.shut(|| {}).await;
    }

    #[tokio::test]
    async fn who_is_larger_is_not_overtaken() {
        let window = Window::new(10, 10);
        let first = window.enter(6, || {}).await.unwrap();
        let mut large = Box::pin(window.enter(8, || {}));
        assert!((&mut large).now_or_never().is_none());
        assert!(window.enter(1, || {}).now_or_never().is_none());
        assert!(
            window.try_enter(1).is_none(),
            "there are 4 left, and who is before waits for them"
        );
        drop(first);
        let large = large.now_or_never().unwrap().unwrap();
        assert!(window.try_enter(2).is_some() && window.try_enter(3).is_none());
        drop(large);
        assert!(window.try_enter(10).is_some());
    }
}

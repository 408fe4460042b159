//! Messages of one key one after the other, those of different keys side by side.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// The end of each lane: when the last that was put into it is done.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<String, oneshot::Receiver<()>>>);

/// A place in a lane; the next one's turn comes when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    _done: oneshot::Sender<()>,
}

impl Lanes {
    /// The next place in the lane of `key`.
    pub(super) fn queue_up(&self, key: String) -> Turn {
        let (done, next) = oneshot::channel();
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody is in any more, now and then: there may be any number of keys.
        if lanes.len() == lanes.capacity() {
            lanes.retain(|_, last| {
                matches!(last.try_recv(), Err(oneshot::error::TryRecvError::Empty))
            });
        }
        Turn { before: lanes.insert(key, next), _done: done }
    }
}

impl Turn {
    /// Waits until everything before it is done.
    ///
    /// # Cancel safety
    /// The wait goes on with the next call.
    pub(super) async fn comes(&mut self) {
        if let Some(before) = &mut self.before {
            // An error is what a drop looks like.
            let _ = before.await;
            self.before = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn one_lane_is_in_order_and_others_do_not_wait() {
        let lanes = Lanes::default();
        let turn = |key: &str| lanes.queue_up(key.to_owned());
        let (mut first, mut second, mut third) = (turn("a"), turn("a"), turn("a"));
        let mut other = turn("b");
        let comes = |turn: &mut Turn| turn.comes().now_or_never().is_some();
        assert!(comes(&mut first) && comes(&mut other));
        assert!(!comes(&mut second) && !comes(&mut third));
        drop(first);
        assert!(comes(&mut second) && !comes(&mut third));
        // One that gives up does not let the next one by.
        drop(second);
        assert!(comes(&mut third));
    }

    #[test]
    fn lanes_that_are_empty_are_taken_down() {
        let lanes = Lanes::default();
        for number in 0..10_000 {
            drop(lanes.queue_up(number.to_string()));
        }
        assert!(lanes.0.lock().unwrap().len() < 100);
    }
}

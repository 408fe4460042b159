//! Who waits for a session, in the order in which they came.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Mutex, MutexGuard};

/// A line in which nobody is overtaken: not by those who join it later, which the lock sees to, and
/// not by those who find a session when they come, as long as they look whether it is empty first.
#[derive(Debug, Default)]
pub(super) struct Line {
    front: Mutex<()>,
    standing: AtomicUsize,
}

/// The front of the line, left when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _front: MutexGuard<'a, ()>,
    _place: Place<'a>,
}

/// Somewhere in the line; given up when dropped, also where the turn has not come yet.
#[derive(Debug)]
struct Place<'a>(&'a AtomicUsize);

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.standing.load(Ordering::Relaxed) == 0
    }

    /// Joins the line and waits until everybody who came before has left it.
    pub(super) async fn turn(&self) -> Turn<'_> {
        self.standing.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.standing);
        Turn { _front: self.front.lock().await, _place: place }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::pin::pin;

    #[test]
    fn it_is_empty_only_when_the_last_has_left_and_who_gives_up_is_passed_over() {
        let line = Line::default();
        assert!(line.is_empty());
        let first = line.turn().now_or_never().unwrap();
        let mut second = Box::pin(line.turn());
        let mut third = pin!(line.turn());
        assert!(
            second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none()
        );
        drop(first);
        assert!(!line.is_empty(), "the next ones have not had their turn");
        assert!(third.as_mut().now_or_never().is_none(), "the second is before");
        drop(second);
        let last = third.now_or_never().unwrap();
        assert!(!line.is_empty());
        drop(last);
        assert!(line.is_empty());
    }
}

//! What was handled and is not acknowledged yet, of one channel.

use std::mem;

/// Messages by the last of them, whose acknowledgement is for all before it too: it must not be given while one
/// of those stays without an answer.
#[derive(Debug)]
pub(super) struct Due<A> {
    /// How many are acknowledged together at the most.
    together: u16,
    last: Option<A>,
    messages: u64,
}

impl<A> Due<A> {
    pub(super) fn new(together: u16) -> Self {
        Self { together, last: None, messages: 0 }
    }

    /// Adds one that was handled. What is to be acknowledged now, where these are enough.
    pub(super) fn add(&mut self, acker: A) -> Option<(A, u64)> {
        self.last = Some(acker);
        self.messages += 1;
        if self.messages >= u64::from(self.together) { self.take() } else { None }
    }

    /// What is to be acknowledged, and how many messages that is for.
    pub(super) fn take(&mut self) -> Option<(A, u64)> {
        let messages = mem::take(&mut self.messages);
        self.last.take().map(|last| (last, messages))
    }

    /// One stays without an answer: from now on no acknowledgement is for more than one. What is to be
    /// acknowledged of those before it.
    pub(super) fn each_alone(&mut self) -> Option<(A, u64)> {
        self.together = 1;
        self.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_acknowledged_by_the_last_once_they_are_enough_or_are_taken() {
        let mut due = Due::new(3);
        assert_eq!(
            [due.add(1), due.add(2), due.add(3), due.add(4)],
            [None, None, Some((3, 3)), None]
        );
        assert_eq!((due.take(), due.take()), (Some((4, 1)), None));
        assert_eq!([due.add(5), due.add(6), due.add(7)], [None, None, Some((7, 3))]);
        assert_eq!(Due::new(1).add(1), Some((1, 1)));
    }

    #[test]
    fn behind_one_without_an_answer_nothing_is_acknowledged_for_several() {
        let mut due = Due::new(3);
        assert_eq!([due.add(1), due.add(2)], [None, None]);
        // The third has no answer: what comes after it must not be one for it.
        assert_eq!(due.each_alone(), Some((2, 2)));
        assert_eq!([due.add(4), due.add(5)], [Some((4, 1)), Some((5, 1))]);
        assert_eq!(due.each_alone(), None);
    }
}

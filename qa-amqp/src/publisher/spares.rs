//! Messages that were sent, kept for their memory.
#![expect(clippy::vec_box, reason = "they are in boxes where they come from and go to")]

use super::message::Message;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Room for a payload that is kept, in bytes. Larger ones are rare, or worth an allocation.
const LARGEST: usize = 4096;

/// As many are kept at the most, which makes some 5 MiB: it is rare that more wait to be written at
/// once.
const MOST: usize = 1024;

/// What a publisher's messages are written into, one after the other.
#[derive(Default)]
pub(super) struct Spares(Mutex<Vec<Box<Message>>>);

impl Spares {
    /// One to write a message into, over what it holds.
    pub(super) fn take(&self) -> Box<Message> {
        self.lock().pop().unwrap_or_default()
    }

    /// Keeps one that was sent.
    pub(super) fn keep(&self, message: Box<Message>) {
        if message.payload.capacity() > LARGEST {
            return;
        }
        let mut spares = self.lock();
        if spares.len() < MOST {
            spares.push(message);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_room(bytes: usize) -> Box<Message> {
        Box::new(Message { payload: Vec::with_capacity(bytes), ..Message::default() })
    }

    #[test]
    fn what_is_kept_is_bounded_by_number_and_by_size() {
        let spares = Spares::default();
        assert_eq!(spares.take().payload.capacity(), 0);
        spares.keep(with_room(100));
        assert!(spares.take().payload.capacity() >= 100, "its memory is used again");
        spares.keep(with_room(LARGEST + 1));
        assert_eq!(spares.take().payload.capacity(), 0, "it was too large");
        (0..=MOST).for_each(|_| spares.keep(with_room(1)));
        assert_eq!(spares.lock().len(), MOST);
    }
}

//! Why a handler failed, and what is to become of its message.

use super::settings::OnError;
use std::fmt;

/// Why a handler failed. Every error turns into one with `?`, and its message then goes where the
/// consumer's [`on_error`](crate::ConsumerSettings::on_error) says; [`requeue`](Self::requeue) and
/// [`reject`](Self::reject) say otherwise for this one.
///
/// ```
/// use qa_amqp::{Delivery, Failed};
/// async fn book(delivery: Delivery) -> Result<(), Failed> {
///     let text = str::from_utf8(&delivery.payload).map_err(Failed::reject)?; // never gets better
///     let volume: u64 = text.parse()?; // as the consumer's settings say
///     println!("{volume}");
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Failed {
    pub(super) error: String,
    pub(super) then: Option<OnError>,
}

impl Failed {
    /// The message goes back to the queue.
    pub fn requeue(error: impl fmt::Display) -> Self {
        Self { error: error.to_string(), then: Some(OnError::Requeue) }
    }

    /// The message is rejected: to the queue's dead-letter exchange, or away where there is none. With
    /// [`OnError::Retry`] it goes to the queue for the dead, because what that queue's dead-letter
    /// exchange gets comes back.
    pub fn reject(error: impl fmt::Display) -> Self {
        Self { error: error.to_string(), then: Some(OnError::Reject) }
    }
}

// Not an error itself: it is what all errors turn into.
impl<E: fmt::Display> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { error: error.to_string(), then: None }
    }
}

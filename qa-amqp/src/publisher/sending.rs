//! The driver's futures of the messages on their way, each in memory that is used again.

use super::message::Message;
use super::settle::Word;
use crate::classify::is_ours;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, ErrorKind, PublisherConfirm};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What sends messages through one channel, each in a slot.
pub(super) trait Sending: Send {
    /// Begins with a message in a slot whose last one is done, or in the first that there is not yet.
    fn begin(&mut self, slot: usize, message: Box<Message>);

    /// Asks for the word on the message in a slot: not again, once it was given.
    fn poll(&mut self, slot: usize, context: &mut Context<'_>) -> Poll<Word>;
}

/// Through a channel, which confirms.
pub(super) fn through(channel: Arc<Channel>, mandatory: bool) -> Box<dyn Sending> {
    let options = BasicPublishOptions { mandatory, immediate: false };
    let send = move |message| send(Arc::clone(&channel), message, options);
    Box::new(Senders { send, all: Vec::new() })
}

/// The driver's future is large, and of a type without a name. It is written where it stays: to
/// hand it on by value would copy it each time.
struct Senders<S, F> {
    send: S,
    all: Vec<Pin<Box<F>>>,
}

impl<S, F> Sending for Senders<S, F>
where
    S: Fn(Box<Message>) -> F + Send,
    F: Future<Output = Word> + Send,
{
    fn begin(&mut self, slot: usize, message: Box<Message>) {
        let sending = (self.send)(message);
        match self.all.get_mut(slot) {
            Some(done) => done.as_mut().set(sending),
            None => self.all.push(Box::pin(sending)),
        }
    }

    fn poll(&mut self, slot: usize, context: &mut Context<'_>) -> Poll<Word> {
        self.all[slot].as_mut().poll(context)
    }
}

async fn send(channel: Arc<Channel>, message: Box<Message>, options: BasicPublishOptions) -> Word {
    match publish(&channel, message, options).await {
        Ok(confirm) => confirm.await.map_or_else(unconfirmed, Word::from),
        Err(error) if is_unsent(&error) => Word::Unsent,
        Err(error) => unconfirmed(error),
    }
}

/// The message is ours until the driver has sent its copy, and not until that is confirmed.
async fn publish(
    channel: &Channel,
    message: Box<Message>,
    options: BasicPublishOptions,
) -> lapin::Result<PublisherConfirm> {
    let Message { exchange, routing_key, properties, payload } = *message;
    channel.basic_publish(exchange, routing_key, options, &payload, properties).await
}

fn unconfirmed(error: lapin::Error) -> Word {
    Word::Unconfirmed(Box::new(error))
}

/// The driver looks at the channel's state before it writes anything. Other errors of a state may
/// have come over what was being written.
fn is_unsent(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidChannelState(_, method) if is_ours(method))
}

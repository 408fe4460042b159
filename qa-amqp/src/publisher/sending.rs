//! The driver's futures of the messages on their way, each in memory that is used again.

use super::message::Message;
use super::settle::Word;
use super::spares::Spares;
use crate::classify::is_ours;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, ErrorKind, PublisherConfirm};
use std::mem;
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

/// Through a channel, which confirms. What a message was written into is kept among the spares.
pub(super) fn through(
    channel: Arc<Channel>,
    mandatory: bool,
    spares: Arc<Spares>,
) -> Box<dyn Sending> {
    let options = BasicPublishOptions { mandatory, immediate: false };
    let sender = Arc::new(Sender { channel, options, spares });
    let send = move |message| Arc::clone(&sender).send(message);
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

/// What each message is sent with.
struct Sender {
    channel: Arc<Channel>,
    options: BasicPublishOptions,
    spares: Arc<Spares>,
}

impl Sender {
    async fn send(self: Arc<Self>, message: Box<Message>) -> Word {
        match self.publish(message).await {
            Ok(confirm) => confirm.await.map_or_else(unconfirmed, Word::from),
            Err(error) if is_unsent(&error) => Word::Unsent,
            Err(error) => unconfirmed(error),
        }
    }

    /// The message is ours until the driver has sent its copy, and not until that is confirmed.
    async fn publish(&self, mut message: Box<Message>) -> lapin::Result<PublisherConfirm> {
        let Message { exchange, routing_key, properties, payload } = &mut *message;
        let (exchange, routing_key) = (mem::take(exchange), mem::take(routing_key));
        let (options, properties) = (self.options, mem::take(properties));
        let published =
            self.channel.basic_publish(exchange, routing_key, options, payload, properties).await;
        self.spares.keep(message);
        published
    }
}

fn unconfirmed(error: lapin::Error) -> Word {
    Word::Unconfirmed(Box::new(error))
}

/// The driver looks at the channel's state before it writes anything. Other errors of a state may
/// have come over what was being written.
fn is_unsent(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidChannelState(_, method) if is_ours(method))
}

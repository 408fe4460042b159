//! How each message ended, from what the driver says of all of them.

use super::outcome::PublishError;
use super::returns::Returns;
use super::slots::Answer;
use crate::metrics::{PublishMeter, Unconfirmed};
use crate::{Error, RabbitMq};
use futures_util::FutureExt;
use lapin::message::BasicReturnMessage;
use lapin::{Channel, Confirmation, ErrorKind};
use qa_resource_core::{Backend, Class, Outcome};
use std::time::Duration;

/// What is known of a message once its confirm is there. Small, because it is moved often.
pub(super) enum Word {
    Ack,
    Nack,
    /// Nothing was written.
    Unsent,
    Unconfirmed(Box<lapin::Error>),
    /// As `Ack`, or `Nack` where this is false; and some message was returned, this or another.
    WithReturn(bool, Box<BasicReturnMessage>),
}

impl From<Confirmation> for Word {
    fn from(confirmation: Confirmation) -> Self {
        match confirmation {
            Confirmation::Ack(None) | Confirmation::NotRequested => Self::Ack,
            Confirmation::Nack(None) => Self::Nack,
            Confirmation::Ack(Some(returned)) => Self::WithReturn(true, Box::new(returned)),
            Confirmation::Nack(Some(returned)) => Self::WithReturn(false, Box::new(returned)),
        }
    }
}

/// What tells how each message of one channel ended, and counts it.
pub(super) struct Settling {
    returns: Returns,
    meter: PublishMeter,
    resource: String,
}

impl Settling {
    pub(super) fn new(resource: &str) -> Self {
        let meter = PublishMeter::new(resource);
        Self { returns: Returns::default(), meter, resource: resource.to_owned() }
    }

    /// The driver completes the confirms of one acknowledgement under a lock, and this takes the
    /// same one. What the call itself waits for is of no use (it can hang) and not awaited.
    pub(super) fn await_whole_acknowledgement(&mut self, channel: &Channel) {
        if let Some(Ok(returned)) = channel.wait_for_confirms().now_or_never() {
            for returned in &returned {
                self.returns.note(returned);
            }
        }
    }

    /// Notes which message was returned, where a word has one with it.
    pub(super) fn note(&mut self, word: &Word) {
        if let Word::WithReturn(_, returned) = word {
            self.returns.note(returned);
        }
    }

    /// What to say of a message, once everything that is known by then is noted.
    pub(super) fn answer(
        &mut self,
        id: &str,
        exchange: &str,
        word: Word,
        took: Duration,
    ) -> Answer {
        let returned = self.returns.take(id);
        let settled = match (word, returned) {
            (Word::Unsent, _) => return Answer::Unsent,
            (_, Some((code, text))) => Err(PublishError::Returned { code, text }),
            (Word::Nack | Word::WithReturn(false, _), None) => Err(PublishError::Nacked),
            (Word::Ack | Word::WithReturn(true, _), None) => Ok(id.to_owned()),
            (Word::Unconfirmed(error), None) => Err(self.unknown(exchange, *error)),
        };
        let failed = settled.as_ref().err().map(|error| match error {
            PublishError::Returned { .. } => Unconfirmed::Returned,
            PublishError::Nacked => Unconfirmed::Nacked,
            _ => Unconfirmed::Unknown,
        });
        self.meter.settled(took, failed);
        Answer::Settled(settled)
    }

    /// A channel ends for all that is on its way when it is refused for one message. That one is
    /// told by its exchange, which the refusal names; the others had bad luck and may try again.
    fn unknown(&self, exchange: &str, error: lapin::Error) -> PublishError {
        let culprit = match error.kind() {
            ErrorKind::ProtocolError(refusal) => {
                refusal.get_message().as_str().contains(&format!("exchange '{exchange}'"))
            }
            _ => false,
        };
        let error = Error::Driver(error);
        let class = RabbitMq::classify(&error);
        let kind = if culprit || class.kind.is_transient() {
            class.kind
        } else {
            qa_resource_core::ErrorKind::Connect
        };
        let class = Class { kind, outcome: Outcome::Unknown };
        let doing = format!("publishing to exchange `{exchange}`");
        let resource = self.resource.as_str();
        PublishError::Unknown(qa_resource_core::Error::from_driver(class, resource, doing, error))
    }
}

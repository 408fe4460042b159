//! One channel in confirm mode, and the task that owns everything which is on its way on it.

use super::message::Message;
use super::outcome::PublishError;
use super::returns::Returns;
use crate::classify::is_ours;
use crate::client::ANSWER_LIMIT;
use crate::error::{self, bounded};
use crate::metrics::{PublishMeter, Unconfirmed};
use crate::{Client, Error, RabbitMq};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, ErrorKind};
use qa_resource_core::{Backend, Class, Lease, Outcome};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// A message to send, with its place in the window and whom to tell.
pub(super) struct Job {
    pub(super) message: Arc<Message>,
    pub(super) answer: oneshot::Sender<Answer>,
    pub(super) place: OwnedSemaphorePermit,
}

/// What a session has to say of a message.
#[derive(Debug)]
pub(super) enum Answer {
    Settled(Result<(), PublishError>),
    /// The channel went before it was sent: another session may send it.
    Unsent,
}

/// How a session is reached. It ends when the last of these is dropped and everything is settled,
/// or when its channel does.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    pub(super) client: Client,
}

/// What became of a message: nothing was written, or what the confirm says.
type Done = (Job, Instant, Result<Confirmation, Failed>);

enum Failed {
    Unsent,
    Unconfirmed(lapin::Error),
}

/// Opens a channel in confirm mode and makes the task that runs it.
pub(super) async fn open(
    lease: Lease<RabbitMq>,
    resource: &str,
    mandatory: bool,
) -> Result<(Session, impl Future<Output = ()> + Send + 'static), Error> {
    let channel = error::open(lease.publishing(), ANSWER_LIMIT).await?;
    let confirm = channel.confirm_select(ConfirmSelectOptions::default());
    bounded("asking for confirms", ANSWER_LIMIT, confirm).await?;
    // Bounded by the window: each job holds a place in it.
    let (jobs, queue) = mpsc::unbounded_channel();
    let session = Session { jobs, client: (*lease).clone() };
    let meter = PublishMeter::new(resource);
    let resource = resource.to_owned();
    let runner = Runner { lease, channel, queue, returns: Returns::default(), meter, resource };
    Ok((session, runner.run(mandatory)))
}

struct Runner {
    lease: Lease<RabbitMq>,
    channel: Channel,
    queue: mpsc::UnboundedReceiver<Job>,
    returns: Returns,
    meter: PublishMeter,
    resource: String,
}

impl Runner {
    async fn run(mut self, mandatory: bool) {
        let options = BasicPublishOptions { mandatory, immediate: false };
        // First polled in the order in which they are pushed: that is the order on the wire.
        let mut on_the_way = FuturesUnordered::new();
        let mut open = true;
        while open || !on_the_way.is_empty() {
            tokio::select! {
                biased;
                Some(done) = on_the_way.next() => self.settle(done, &mut on_the_way),
                job = self.queue.recv(), if open => match job {
                    Some(job) => on_the_way.push(send(self.channel.clone(), job, options)),
                    None => open = false,
                },
                () = self.lease.lost(), if !self.queue.is_closed() => self.queue.close(),
            }
            if !self.channel.status().connected() {
                // What is still in the queue is answered as unsent, what comes later is sent back.
                self.queue.close();
            }
        }
        let goodbye = self.channel.close(200, "OK".into());
        // A channel that can't hear it is gone, and the connection's close takes it along.
        let _ = bounded("closing a channel", ANSWER_LIMIT, goodbye).await;
    }

    /// Settles what is done. A confirm counts only once the acknowledgement that it came with has
    /// been taken in whole, because a return may come with another confirm of it.
    fn settle<F>(&mut self, first: Done, on_the_way: &mut FuturesUnordered<F>)
    where
        F: Future<Output = Done>,
    {
        let mut batch = vec![first];
        batch.extend(finished(on_the_way));
        self.note_returns(&batch);
        while !batch.is_empty() {
            self.await_whole_acknowledgement();
            let next = finished(on_the_way);
            self.note_returns(&next);
            for done in batch {
                self.answer(done);
            }
            batch = next;
        }
    }

    /// The driver completes the confirms of one acknowledgement under a lock, and this takes the
    /// same one. What the call itself waits for is of no use (it can hang) and not awaited.
    fn await_whole_acknowledgement(&mut self) {
        if let Some(Ok(returned)) = self.channel.wait_for_confirms().now_or_never() {
            for returned in &returned {
                self.returns.note(returned);
            }
        }
    }

    fn note_returns(&mut self, batch: &[Done]) {
        for (_, _, result) in batch {
            if let Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) =
                result
            {
                self.returns.note(returned);
            }
        }
    }

    fn answer(&mut self, (job, sent, result): Done) {
        let returned = self.returns.take(&job.message.id);
        let settled = match (result, returned) {
            (Err(Failed::Unsent), _) => {
                let _ = job.answer.send(Answer::Unsent);
                return;
            }
            (_, Some((code, text))) => Err(PublishError::Returned { code, text }),
            (Ok(Confirmation::Nack(_)), None) => Err(PublishError::Nacked),
            (Ok(_), None) => Ok(()),
            (Err(Failed::Unconfirmed(error)), None) => Err(self.unknown(&job.message, error)),
        };
        self.meter.settled(
            sent.elapsed(),
            settled.as_ref().err().map(|error| match error {
                PublishError::Returned { .. } => Unconfirmed::Returned,
                PublishError::Nacked => Unconfirmed::Nacked,
                _ => Unconfirmed::Unknown,
            }),
        );
        drop(job.place);
        // Nobody listens where the caller gave up.
        let _ = job.answer.send(Answer::Settled(settled));
    }

    /// A channel ends for all that is on its way when it is refused for one message. That one is
    /// told by its exchange, which the refusal names; the others had bad luck and may try again.
    fn unknown(&self, message: &Message, error: lapin::Error) -> PublishError {
        let culprit = match error.kind() {
            ErrorKind::ProtocolError(refusal) => {
                refusal.get_message().as_str().contains(&format!("exchange '{}'", message.exchange))
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
        let doing = format!("publishing to exchange `{}`", message.exchange);
        let resource = self.resource.as_str();
        PublishError::Unknown(qa_resource_core::Error::from_driver(class, resource, doing, error))
    }
}

/// Everything that is done by now. Twice, because a poll may end early to be fair to others.
fn finished<F: Future<Output = Done>>(on_the_way: &mut FuturesUnordered<F>) -> Vec<Done> {
    let mut done = Vec::new();
    for _ in 0..2 {
        while let Some(Some(one)) = on_the_way.next().now_or_never() {
            done.push(one);
        }
    }
    done
}

async fn send(channel: Channel, job: Job, options: BasicPublishOptions) -> Done {
    let sent = Instant::now();
    let message = &*job.message;
    let published = channel
        .basic_publish(
            message.exchange.clone(),
            message.routing_key.clone(),
            options,
            &message.payload,
            message.properties.clone(),
        )
        .await;
    let result = match published {
        Ok(confirm) => confirm.await.map_err(Failed::Unconfirmed),
        Err(error) if is_unsent(&error) => Err(Failed::Unsent),
        Err(error) => Err(Failed::Unconfirmed(error)),
    };
    (job, sent, result)
}

/// The driver looks at the channel's state before it writes anything. Other errors of a state may
/// have come over what was being written.
fn is_unsent(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidChannelState(_, method) if is_ours(method))
}

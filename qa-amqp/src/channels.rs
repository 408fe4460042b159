//! Channels that are kept for the next question, because opening one is a question of its own.

use crate::{Client, Error};
use lapin::Channel;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many are kept; more may be in use.
const IDLE: usize = 8;

/// The idle channels of one connection.
#[derive(Debug, Default)]
pub(crate) struct Channels(Mutex<Vec<Channel>>);

impl Channels {
    fn lock(&self) -> MutexGuard<'_, Vec<Channel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that is open as far as the driver knows.
    fn take(&self) -> Option<Channel> {
        let mut idle = self.lock();
        std::iter::from_fn(|| idle.pop()).find(|channel| channel.status().connected())
    }

    /// Keeps a channel; the driver closes the one that there is no room for.
    pub(crate) fn give_back(&self, channel: Channel) {
        let mut idle = self.lock();
        if idle.len() < IDLE && channel.status().connected() {
            idle.push(channel);
        }
    }
}

impl Client {
    /// Does `work` on a channel from a pool: opening one takes a question of its own, which a pooled
    /// one saves. They are of the connection for everything but publishing. The pool keeps 8; where
    /// none is idle, one is opened. Limit for that: 5 s; the work's own limit is the caller's.
    ///
    /// For questions and answers only. What gives a channel a state (a prefetch, confirms, a
    /// transaction, a consumer) needs [a channel of its own](Self::channel).
    ///
    /// ```no_run
    /// # async fn example(client: qa_amqp::Client) -> Result<(), qa_amqp::Error> {
    /// use qa_amqp::lapin::options::BasicGetOptions;
    /// let message = client
    ///     .with_channel(async |channel| {
    ///         Ok(channel.basic_get("bars".into(), BasicGetOptions { no_ack: true }).await?)
    ///     })
    ///     .await?;
    /// # drop(message);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Open`] or [`Error::TimedOut`] where no channel was to be had; the work's own, and
    /// [`Error::Driver`] as soon as the connection is lost.
    ///
    /// # Cancel safety
    /// A channel whose work failed or was dropped is closed and not used again.
    pub async fn with_channel<T>(
        &self,
        work: impl AsyncFnOnce(&Channel) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let channel = match self.channels().take() {
            Some(channel) => channel,
            None => self.channel().await?,
        };
        let done = self.while_consuming(work(&channel)).await?;
        self.channels().give_back(channel);
        Ok(done)
    }
}

//! What a publisher's clones share: the window, and the session that is current.

use super::line::{Line, Turn};
use super::message::Message;
use super::outcome::PublishError;
use super::session::{self, Answer, Job, Session};
use super::settings::PublisherSettings;
use crate::{Error, RabbitMq};
use qa_resource_core::{Backend, Backoff, ErrorKind, Group, Outcome};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

/// Longer limits count as this: a year, so that adding to them can't overflow.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// What one acquire of a semaphore can take; no broker keeps up with it.
const LARGEST_WINDOW: usize = 1 << 28;

pub(super) struct Shared {
    pub(super) group: Group<RabbitMq>,
    pub(super) settings: PublisherSettings,
    pub(super) window: Arc<Semaphore>,
    pub(super) sessions: TaskTracker,
    pub(super) current: Mutex<Option<Session>>,
    line: Line,
}

impl Shared {
    pub(super) fn new(group: Group<RabbitMq>, mut settings: PublisherSettings) -> Self {
        settings.window = settings.window.clamp(1, LARGEST_WINDOW);
        settings.limit = LONGEST.min(settings.limit);
        Self {
            group,
            window: Arc::new(Semaphore::new(settings.window)),
            settings,
            sessions: TaskTracker::new(),
            current: Mutex::new(None),
            line: Line::default(),
        }
    }

    pub(super) fn outstanding(&self) -> usize {
        self.settings.window - self.window.available_permits().min(self.settings.window)
    }

    /// One message, once, by `deadline`. Sent again only if it certainly never left.
    pub(super) async fn publish(
        &self,
        message: &Arc<Message>,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        loop {
            // Exempt from tokio's budget, which would let some of many joined publishes overtake
            // others here.
            let answer = unconstrained(self.hand_over(message, deadline)).await?;
            match timeout_at(deadline, answer).await {
                Ok(Ok(Answer::Settled(settled))) => return settled,
                Ok(Ok(Answer::Unsent)) => {}
                // The session's task was aborted with its runtime.
                Ok(Err(_)) => return Err(self.unknown("the runtime is shut down")),
                Err(_) => return Err(self.unknown("no confirm came in time")),
            }
        }
    }

    /// Gives the message a place in the window and hands it to a live session.
    async fn hand_over(
        &self,
        message: &Arc<Message>,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Answer>, PublishError> {
        let place = match timeout_at(deadline, Arc::clone(&self.window).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(self.not_sent(ErrorKind::Closed, "the publisher is closed")),
            Err(_) => return Err(self.not_sent(ErrorKind::Overloaded, "the window is full")),
        };
        let (answer, receiver) = oneshot::channel();
        let mut job = Job { message: Arc::clone(message), answer, place };
        loop {
            let Ok(session) = timeout_at(deadline, self.session()).await else {
                return Err(self.held_up());
            };
            let (session, _turn) = session.map_err(PublishError::NotSent)?;
            if timeout_at(deadline, session.client.unblocked()).await.is_err() {
                return Err(self.held_up());
            }
            match session.jobs.send(job) {
                Ok(()) => return Ok(receiver),
                Err(back) => job = back.0,
            }
        }
    }

    /// The current session, or a new one, and the turn to use it: who is at the front of the line
    /// opens it, and hands its message over before the next one does.
    async fn session(&self) -> qa_resource_core::Result<(Session, Option<Turn<'_>>)> {
        if self.line.is_empty()
            && let Some(session) = self.live()
        {
            return Ok((session, None));
        }
        let turn = self.line.turn().await;
        if let Some(session) = self.live() {
            return Ok((session, Some(turn)));
        }
        let lease = self.group.acquire().await?.long_lived();
        let opened = session::open(lease, self.group.name(), self.settings.mandatory).await;
        let (session, run) = opened.map_err(|error| self.error("opening a channel", error))?;
        // Spawned and made current with no await in between: it is never without an owner.
        self.sessions.spawn(run);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        Ok((session, Some(turn)))
    }

    fn live(&self) -> Option<Session> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|session| !session.jobs.is_closed()).cloned()
    }

    /// One message until it is confirmed; gives the number of attempts.
    pub(super) async fn publish_until(
        &self,
        message: &Arc<Message>,
        deadline: Instant,
    ) -> Result<u32, PublishError> {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let (mut delay, mut attempts, mut unknown) = (None, 0, None);
        loop {
            attempts += 1;
            let limit = deadline.min(Instant::now() + self.settings.limit);
            let Err(error) = self.publish(message, limit).await else {
                return Ok(attempts);
            };
            let pause = *delay.insert(backoff.next(delay, fastrand::f64()));
            let is_last = !error.is_transient() || Instant::now() + pause >= deadline;
            if error.outcome() == Outcome::Unknown {
                unknown = Some(error.clone());
            }
            if is_last {
                return Err(unknown.unwrap_or(error));
            }
            sleep(pause).await;
        }
    }

    pub(super) fn error(&self, doing: &str, error: Error) -> qa_resource_core::Error {
        let class = RabbitMq::classify(&error);
        qa_resource_core::Error::from_driver(class, self.group.name(), doing, error)
    }

    /// What a message waited for in vain that had its place in the window.
    fn held_up(&self) -> PublishError {
        match self.live().and_then(|session| session.client.blocked()) {
            Some(why) => {
                self.not_sent(ErrorKind::Overloaded, format!("the broker takes no messages: {why}"))
            }
            None => self.not_sent(ErrorKind::Timeout, "no connection in time"),
        }
    }

    fn not_sent(&self, kind: ErrorKind, why: impl Into<String>) -> PublishError {
        PublishError::NotSent(qa_resource_core::Error::new(kind, self.group.name(), why))
    }

    fn unknown(&self, why: &str) -> PublishError {
        let error = qa_resource_core::Error::new(ErrorKind::Timeout, self.group.name(), why);
        PublishError::Unknown(error.with_outcome(Outcome::Unknown))
    }
}

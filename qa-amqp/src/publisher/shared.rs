//! What a publisher's clones share: the window, and the session that is current.

use super::in_flight::Ticket;
use super::line::{Line, Turn};
use super::message::Message;
use super::outcome::PublishError;
use super::sending;
use super::session::{self, Session};
use super::settings::{LONGEST, PublisherSettings};
use super::slots::{Answer, Timing};
use super::spares::Spares;
use super::window::Window;
use crate::{Error, RabbitMq};
use qa_resource_core::{Backend, Backoff, ErrorKind, Group, Outcome};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

pub(super) struct Shared {
    pub(super) group: Group<RabbitMq>,
    pub(super) settings: PublisherSettings,
    pub(super) window: Window,
    pub(super) spares: Arc<Spares>,
    pub(super) sessions: TaskTracker,
    pub(super) current: Mutex<Option<Session>>,
    /// Whether anybody wants the broker's word. It costs the broker much where many queues take each
    /// message, so it is asked for only then.
    confirms: AtomicBool,
    line: Line,
}

impl Shared {
    pub(super) fn new(group: Group<RabbitMq>, mut settings: PublisherSettings) -> Self {
        settings.limit = LONGEST.min(settings.limit);
        Self {
            group,
            window: Window::new(settings.window, settings.window_bytes),
            // A message that comes back is told from others by its confirm.
            confirms: AtomicBool::new(settings.mandatory),
            settings,
            spares: Arc::default(),
            sessions: TaskTracker::new(),
            current: Mutex::new(None),
            line: Line::default(),
        }
    }

    pub(super) fn outstanding(&self) -> usize {
        self.window.taken()
    }

    /// One message, once, by its deadline. Gives its id.
    pub(super) async fn publish(
        &self,
        message: Box<Message>,
        timing: Timing,
    ) -> Result<String, PublishError> {
        if !self.confirms.load(Ordering::Relaxed) {
            self.confirms.store(true, Ordering::Relaxed);
        }
        // Exempt from tokio's budget, which would let some of many joined publishes overtake others
        // here.
        let answer = unconstrained(self.hand_over(message, timing)).await?;
        match answer.await {
            Answer::Settled(settled) => settled,
            Answer::Unsent => Err(self.not_sent(ErrorKind::Connect, "its channel was closed")),
            Answer::Late => Err(self.unknown("no confirm came in time")),
        }
    }

    /// Gives the message a place in the window and hands it to a live session.
    pub(super) async fn hand_over(
        &self,
        message: Box<Message>,
        timing: Timing,
    ) -> Result<Ticket, PublishError> {
        match self.hand_over_now(message, timing) {
            Ok(ticket) => Ok(ticket),
            // Boxed: nearly every message goes without, and its future is a fraction of this one.
            Err(message) => Box::pin(self.hand_over_later(message, timing.deadline)).await,
        }
    }

    /// Where nothing has to be waited for, and nobody else waits.
    fn hand_over_now(&self, message: Box<Message>, timing: Timing) -> Result<Ticket, Box<Message>> {
        if !self.line.is_empty() {
            return Err(message);
        }
        let Some(session) = self.live().filter(|session| !session.client.is_blocked()) else {
            return Err(message);
        };
        let Some(place) = self.window.try_enter(message.payload.len()) else {
            return Err(message);
        };
        session.submit(message, timing, place).map_err(|(message, _place)| message)
    }

    async fn hand_over_later(
        &self,
        mut message: Box<Message>,
        deadline: Instant,
    ) -> Result<Ticket, PublishError> {
        let room = self.window.enter(message.payload.len(), || self.hurry());
        let mut place = match timeout_at(deadline, room).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(self.not_sent(ErrorKind::Closed, "the publisher is closed")),
            Err(_) => return Err(self.not_sent(ErrorKind::Overloaded, "the window is full")),
        };
        loop {
            let Ok(session) = timeout_at(deadline, self.session()).await else {
                return Err(self.held_up());
            };
            let (session, _turn) = session.map_err(PublishError::NotSent)?;
            if timeout_at(deadline, session.client.unblocked()).await.is_err() {
                return Err(self.held_up());
            }
            match session.submit(message, Timing { sent: Instant::now(), deadline }, place) {
                Ok(ticket) => return Ok(ticket),
                Err(back) => (message, place) = back,
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
        let confirms = self.confirms.load(Ordering::Relaxed);
        if confirms && let Some(session) = self.current().filter(|session| !session.confirms()) {
            // What was sent without a word comes before what is sent with one.
            session.end().await;
        }
        let (mandatory, spares) = (self.settings.mandatory, Arc::clone(&self.spares));
        let sending = |channel| sending::through(channel, mandatory, spares);
        let waiting = self.window.waiting();
        let opened = session::open(lease, self.group.name(), confirms, sending, waiting).await;
        let (session, run) = opened.map_err(|error| self.error("opening a channel", error))?;
        // Spawned and made current with no await in between: it is never without an owner.
        self.sessions.spawn(run);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        Ok((session, Some(turn)))
    }

    /// Has what is done settled, also where its callers do not look.
    pub(super) fn hurry(&self) {
        if let Some(session) = self.current() {
            session.hurry();
        }
    }

    fn live(&self) -> Option<Session> {
        let confirms = self.confirms.load(Ordering::Relaxed);
        self.current().filter(|session| !session.is_closed() && (session.confirms() || !confirms))
    }

    fn current(&self) -> Option<Session> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One message until it is confirmed; gives its id and the number of attempts.
    pub(super) async fn publish_until(
        &self,
        message: &Message,
        deadline: Instant,
    ) -> Result<(String, u32), PublishError> {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let (mut delay, mut attempts, mut unknown) = (None, 0, None);
        loop {
            attempts += 1;
            let Timing { sent, deadline: limit } = Timing::within(self.settings.limit);
            let timing = Timing { sent, deadline: deadline.min(limit) };
            let error = match self.publish(Box::new(message.clone()), timing).await {
                Ok(id) => return Ok((id, attempts)),
                Err(error) => error,
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

    pub(super) fn not_json(&self, error: &serde_json::Error) -> PublishError {
        self.not_sent(
            ErrorKind::Operation,
            format!("the message can't be written as JSON: {error}"),
        )
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

//! The one truth about a resource, swapped whole.

use crate::live::Shares;
use crate::{Backend, Error, Event, State};
use std::time::Duration;
use tokio::time::Instant;

/// State, client, generation and last error, as they were at one moment.
pub(crate) struct Snapshot<B: Backend> {
    pub(crate) phase: Phase<B>,
    /// When the state was entered.
    pub(crate) since: Instant,
    /// How many connections there have been.
    pub(crate) generation: u64,
    /// Connect attempts that failed since the state was entered.
    pub(crate) attempts: u32,
    /// How long the last outage was, once it was over.
    pub(crate) last_outage: Option<Duration>,
    /// The last thing that went wrong with the connection.
    pub(crate) last_error: Option<Error>,
}

/// The state, with the client inside the only one that has it.
pub(crate) enum Phase<B: Backend> {
    Ready(Shares<B>),
    Other(State),
}

impl<B: Backend> Snapshot<B> {
    pub(crate) fn idle() -> Self {
        Self {
            phase: Phase::Other(State::Idle),
            since: Instant::now(),
            generation: 0,
            attempts: 0,
            last_outage: None,
            last_error: None,
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Ready(_) => State::Ready,
            Phase::Other(state) => state,
        }
    }
}

/// An event with what it brings.
pub(crate) enum Change<B: Backend> {
    Connect,
    Connected(B::Client),
    GaveUp(Error),
    Lost(Error),
    Close,
    Drained,
}

impl<B: Backend> Change<B> {
    pub(crate) const fn event(&self) -> Event {
        match self {
            Self::Connect => Event::Connect,
            Self::Connected(_) => Event::Connected,
            Self::GaveUp(_) => Event::GaveUp,
            Self::Lost(_) => Event::Lost,
            Self::Close => Event::Close,
            Self::Drained => Event::Drained,
        }
    }

    pub(crate) const fn error(&self) -> Option<&Error> {
        match self {
            Self::GaveUp(error) | Self::Lost(error) => Some(error),
            _ => None,
        }
    }
}

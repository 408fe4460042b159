//! The one truth about a resource, swapped whole.

use crate::admission::Places;
use crate::shared::Shared;
use crate::{Backend, Error, Event, State};
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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
    /// Padded, because every lease writes the reference count and reads what stands behind it.
    Ready(Arc<CachePadded<Live<B>>>),
    Other(State),
}

/// A connection that leases are given on.
pub(crate) struct Live<B: Backend> {
    pub(crate) client: B::Client,
    pub(crate) generation: u64,
    /// Fired when the resource leaves this connection.
    pub(crate) gone: CancellationToken,
    /// What bounds the operations under way on it.
    pub(crate) places: Option<Places>,
    /// Fired when nobody has it any more.
    pub(crate) ended: Ended,
    /// Refers back, so that a lease is one reference: the circle is cut by leaving `Ready`, which
    /// every supervisor does before it ends.
    pub(crate) shared: Arc<Shared<B>>,
}

/// A token that is fired by being dropped.
#[derive(Default)]
pub(crate) struct Ended(CancellationToken);

impl Ended {
    pub(crate) fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.cancel();
    }
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

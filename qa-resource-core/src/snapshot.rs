//! The one truth about a resource, swapped whole.

use crate::admission::Places;
use crate::register::home;
use crate::shared::Shared;
use crate::{Backend, Error, Event, State};
use crossbeam_utils::CachePadded;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    Ready(Shares<B>),
    Other(State),
}

/// A reference to a connection that is counted apart from others. Padded, so that who writes the one count
/// takes no other from anybody's cache.
pub(crate) type Share<B> = Arc<CachePadded<Arc<Live<B>>>>;

/// A connection, by several such references: with one, every thread that takes leases would write one count,
/// and wait until it has it from another's cache.
pub(crate) struct Shares<B: Backend>(Box<[Share<B>]>);

/// Shares of one connection, a power of two: twice the processors, as threads are numbered by who came first
/// and two that work need not be neighbours.
fn shares() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    (2 * processors).clamp(8, 32).next_power_of_two()
}

impl<B: Backend> Shares<B> {
    pub(crate) fn new(live: Live<B>) -> Self {
        let live = Arc::new(live);
        let share = |_| Arc::new(CachePadded::new(Arc::clone(&live)));
        Self((0..shares()).map(share).collect())
    }

    /// That of this thread.
    #[inline]
    pub(crate) fn own(&self) -> &Share<B> {
        &self.0[home() & (self.0.len() - 1)]
    }
}

/// A connection that leases are given on.
pub(crate) struct Live<B: Backend> {
    pub(crate) client: B::Client,
    pub(crate) generation: u64,
    /// Fired when the resource leaves this connection.
    pub(crate) gone: Gone,
    /// What bounds the operations under way on it.
    pub(crate) places: Option<Places>,
    /// Fired when nobody has it any more.
    pub(crate) ended: Ended,
    /// Refers back, so that a lease is one reference: the circle is cut by leaving `Ready`, which
    /// every supervisor does before it ends.
    pub(crate) shared: Arc<Shared<B>>,
}

/// A token of which it is known without a lock whether it was fired: streams ask for each row.
#[derive(Default)]
pub(crate) struct Gone {
    fired: AtomicBool,
    token: CancellationToken,
}

impl Gone {
    pub(crate) fn fire(&self) {
        self.fired.store(true, Ordering::Release);
        self.token.cancel();
    }

    #[inline]
    pub(crate) fn is_fired(&self) -> bool {
        self.fired.load(Ordering::Acquire)
    }

    pub(crate) async fn fired(&self) {
        self.token.cancelled().await;
    }
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

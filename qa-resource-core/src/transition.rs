//! State changes as they are told to the log and to watchers.

use crate::group::{Board, Many, best};
use crate::shared::Shared;
use crate::{Backend, Error, State};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast::{self, error::RecvError};

/// One state change of one resource.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The resource's name.
    pub resource: Arc<str>,
    /// Its system, such as `redis`.
    pub system: &'static str,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// When, by the wall clock.
    pub at: SystemTime,
    /// How long the state before had lasted, by the monotonic clock: for `Reconnecting` to `Ready`
    /// this is how long the outage was.
    pub in_previous: Duration,
    /// How many connections there have been so far.
    pub generation: u64,
    /// Why, where something went wrong.
    pub cause: Option<Error>,
}

impl Transition {
    /// The one log line of a state change.
    pub(crate) fn log(&self, address: &str) {
        let Self { resource, system, from, to, in_previous, cause, .. } = self;
        let Some(cause) = cause else {
            tracing::info!(
                resource = %resource, db.system.name = system, server.address = address,
                from = %from, to = %to, after = ?in_previous, "resource is {to}"
            );
            return;
        };
        tracing::warn!(
            resource = %resource, db.system.name = system, server.address = address,
            from = %from, to = %to, after = ?in_previous, error.type = %cause.kind(),
            cause = %cause.message(), "resource is {to}"
        );
    }
}

/// Follows the state changes of a resource, or of all members of a group, in order.
///
/// It may lag 256 changes behind; one that lags further misses the oldest.
pub struct Watch<B: Backend> {
    of: Of<B>,
    changes: broadcast::Receiver<Transition>,
    over: bool,
}

/// Whose they are. It keeps none of them from being dropped.
enum Of<B: Backend> {
    Resource(Arc<Shared<B>>),
    Group {
        many: Weak<Many<B>>,
        board: Arc<Board>,
        /// As they were when the group was there last.
        members: Vec<Arc<Shared<B>>>,
    },
}

impl<B: Backend> Of<B> {
    fn name(&self) -> &Arc<str> {
        match self {
            Self::Resource(shared) => &shared.name,
            Self::Group { board, .. } => board.name(),
        }
    }

    fn state(&mut self) -> State {
        match self {
            Self::Resource(shared) => shared.state(),
            Self::Group { many, members, .. } => {
                if let Some(many) = many.upgrade() {
                    *members = many.watched();
                }
                best(members.iter().map(|member| member.state()))
            }
        }
    }

    /// Whether nothing follows this one: it is the end of the last member, and not of one that was
    /// removed.
    fn is_over(&mut self, transition: &Transition) -> bool {
        transition.to == State::Closed && self.state() == State::Closed
    }
}

impl<B: Backend> Watch<B> {
    pub(crate) fn new(shared: Arc<Shared<B>>) -> Self {
        let changes = shared.changes();
        let over = shared.state() == State::Closed;
        Self { of: Of::Resource(shared), changes, over }
    }

    pub(crate) fn of_group(many: &Arc<Many<B>>) -> Self {
        let (board, members) = (Arc::clone(many.board()), many.watched());
        let (changes, over) = (board.changes(), many.state() == State::Closed);
        Self { of: Of::Group { many: Arc::downgrade(many), board, members }, changes, over }
    }

    /// The next state change, or `None` once the resource, or every member of the group, is closed and
    /// the last change was given.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn next(&mut self) -> Option<Transition> {
        loop {
            if self.over {
                return None;
            }
            match self.changes.recv().await {
                Ok(transition) => {
                    self.over = self.of.is_over(&transition);
                    return Some(transition);
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => self.over = true,
            }
        }
    }

    /// Waits until the resource, or the best member of the group, is in `state`; `false` where it was
    /// closed first.
    ///
    /// Unbounded by itself: wrap it in a time limit. It looks at the state as it is: one that was only
    /// passed through, as `Reconnecting` is where the server is well, may have gone unseen;
    /// [`Watch::next`] gives it.
    ///
    /// # Cancel safety
    /// Changes that were passed over on the way are not given by [`Watch::next`] any more.
    pub async fn wait_for(&mut self, state: State) -> bool {
        while self.of.state() != state {
            if self.next().await.is_none() {
                return self.of.state() == state;
            }
        }
        true
    }
}

impl<B: Backend> std::fmt::Debug for Watch<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("of", self.of.name()).finish_non_exhaustive()
    }
}

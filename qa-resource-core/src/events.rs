//! The state changes of many resources, as one stream.

use crate::Transition;
use futures_util::{Stream, stream};
use std::fmt;
use tokio::sync::broadcast::{self, error::RecvError};

/// Changes that a subscriber may lag behind before it misses the oldest.
const HISTORY: usize = 1024;

/// Where resources tell their state changes ([`Resource::report_to`](crate::Resource::report_to)), in one
/// order that is the same for every subscriber. Cheap to clone; all clones are the same bus.
#[derive(Clone)]
pub struct EventBus(broadcast::Sender<Transition>);

impl EventBus {
    /// A bus that nobody reports to yet.
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::Sender::new(HISTORY))
    }

    /// Follows every state change from now on.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        Events { changes: self.0.subscribe(), missed: 0 }
    }

    pub(crate) fn tell(&self, transition: &Transition) {
        // An error means that nobody has subscribed.
        let _ = self.0.send(transition.clone());
    }
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus").field("subscribers", &self.0.receiver_count()).finish()
    }
}

/// The state changes of many resources, each once and in order; [`EventBus::subscribe`] gives it.
///
/// It may lag 1024 changes behind; one that lags further misses the oldest, and
/// [`missed`](Self::missed) says how many.
pub struct Events {
    changes: broadcast::Receiver<Transition>,
    missed: u64,
}

impl Events {
    /// The next state change, or `None` once no bus and no resource is left that could tell of one.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn next(&mut self) -> Option<Transition> {
        loop {
            match self.changes.recv().await {
                Ok(transition) => return Some(transition),
                Err(RecvError::Lagged(count)) => self.missed += count,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// How many changes were missed so far, because nobody asked for the next one.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Transition> + Send + Unpin {
        let next = async |mut events: Self| events.next().await.map(|next| (next, events));
        Box::pin(stream::unfold(self, next))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("missed", &self.missed).finish_non_exhaustive()
    }
}

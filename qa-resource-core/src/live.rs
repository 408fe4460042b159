//! A connection that leases are given on, how it is counted, and how its end is told.

use crate::Backend;
use crate::admission::Places;
use crate::register::home;
use crate::shared::Shared;
use crossbeam_utils::CachePadded;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

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

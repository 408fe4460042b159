//! What passed through the proxy.

use super::Direction;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What passed through a proxy since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that the proxy accepted, also those that it then turned away.
    pub accepted: u64,
    /// Those among them that it reset without a word from the server: because of
    /// [`Door::Reset`](super::Door::Reset), or because the server was not there. Those that the
    /// kernel refuses are not counted: nobody hears of them.
    pub turned_away: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Bytes passed on to the server.
    pub bytes_to_server: u64,
    /// Bytes passed on to the clients.
    pub bytes_to_client: u64,
    /// How often a client spoke when the server had spoken last, or nobody had: for one who waits for
    /// each answer, the round trips.
    pub round_trips: u64,
}

/// The same, being counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    accepted: AtomicU64,
    turned_away: AtomicU64,
    open: AtomicU64,
    bytes: [AtomicU64; 2],
    round_trips: AtomicU64,
    first: Mutex<Option<Instant>>,
}

impl Tally {
    /// Counts a connection, as an open one for as long as what is returned lives.
    pub(super) fn accept(&self) -> Open<'_> {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        self.first().get_or_insert_with(Instant::now);
        Open { tally: self, client_spoke: AtomicBool::new(false) }
    }

    pub(super) fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            accepted: self.accepted.load(Ordering::Relaxed),
            turned_away: self.turned_away.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            bytes_to_server: self.bytes[Direction::ToServer as usize].load(Ordering::Relaxed),
            bytes_to_client: self.bytes[Direction::ToClient as usize].load(Ordering::Relaxed),
            round_trips: self.round_trips.load(Ordering::Relaxed),
        }
    }

    /// When a connection was accepted first, since this was last emptied.
    pub(super) fn first(&self) -> MutexGuard<'_, Option<Instant>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Open<'a> {
    tally: &'a Tally,
    /// Whether the client spoke last.
    client_spoke: AtomicBool,
}

impl Open<'_> {
    pub(super) fn pass(&self, direction: Direction, bytes: usize) {
        self.tally.bytes[direction as usize].fetch_add(bytes as u64, Ordering::Relaxed);
        let client = direction == Direction::ToServer;
        let before = self.client_spoke.swap(client, Ordering::Relaxed);
        if client && !before {
            self.tally.round_trips.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn turn_away(&self) {
        self.tally.turn_away();
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.tally.open.fetch_sub(1, Ordering::Relaxed);
    }
}

//! The life of a resource as a table: which state follows which event.

use std::fmt;

/// Where a resource is in its life.
///
/// ```text
///            Connect            Connected           Lost
///   Idle ─────────────► Connecting ────────► Ready ◄──────► Reconnecting
///     ▲                   │                    │  Connected   │
///     └───── GaveUp ──────┘                    │              │
///   (any of these four) ── Close ──► Draining ── Drained ──► Closed
/// ```
///
/// A fresh connection that is asked for is made beside the one that is used, and takes over with
/// `Connected`, from `Ready` to `Ready`.
///
/// Degraded, blocked and the like are readings of [`Health`](crate::Health), not states, and there
/// is no state of failure in which a resource could be stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Not connected, and nobody has asked for it yet (or the first connect gave up).
    Idle,
    /// The first connect is under way; it may give up.
    Connecting,
    /// Connected: the session is restored and a round trip was answered. Leases are given.
    Ready,
    /// The connection was lost and is being brought back; this never gives up.
    Reconnecting,
    /// Closing: no new lease is given, those that are out are waited for.
    Draining,
    /// Closed for good.
    Closed,
}

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Somebody wants the connection.
    Connect,
    /// A connect attempt succeeded.
    Connected,
    /// The first connect used up its attempts or its time, or met a permanent error.
    GaveUp,
    /// The connection is gone: the driver says so, pings failed, or a fresh one that was asked for is
    /// not to be had beside it.
    Lost,
    /// Somebody wants the end.
    Close,
    /// Leases are back and goodbye is said, or the time for it is over.
    Drained,
}

impl State {
    /// Every state, for tables and tests.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::Connecting,
        Self::Ready,
        Self::Reconnecting,
        Self::Draining,
        Self::Closed,
    ];

    /// The state after `event`, or `None` where the event means nothing in this state and changes
    /// nothing.
    #[must_use]
    pub const fn next(self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Idle, Event::Connect) => Some(Self::Connecting),
            (Self::Connecting, Event::GaveUp) => Some(Self::Idle),
            // From ready: a fresh connection takes over from one that is good.
            (Self::Connecting | Self::Reconnecting | Self::Ready, Event::Connected) => {
                Some(Self::Ready)
            }
            (Self::Ready, Event::Lost) => Some(Self::Reconnecting),
            (Self::Idle | Self::Connecting | Self::Ready | Self::Reconnecting, Event::Close) => {
                Some(Self::Draining)
            }
            (Self::Draining, Event::Drained) => Some(Self::Closed),
            _ => None,
        }
    }

    /// Whether the resource is closing or closed: nothing but its end can come.
    #[must_use]
    pub const fn is_ending(self) -> bool {
        matches!(self, Self::Draining | Self::Closed)
    }

    /// The word used in logs, metrics and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::Reconnecting => "reconnecting",
            Self::Draining => "draining",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Event {
    /// Every event, for tables and tests.
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::Connected, Self::GaveUp, Self::Lost, Self::Close, Self::Drained];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, a row per state and a column per event in the order of `Event::ALL`.
    #[test]
    fn the_whole_table() {
        use State::{Closed, Connecting, Draining, Idle, Ready, Reconnecting};
        let table: [(State, [Option<State>; 6]); 6] = [
            (Idle, [Some(Connecting), None, None, None, Some(Draining), None]),
            (Connecting, [None, Some(Ready), Some(Idle), None, Some(Draining), None]),
            (Ready, [None, Some(Ready), None, Some(Reconnecting), Some(Draining), None]),
            (Reconnecting, [None, Some(Ready), None, None, Some(Draining), None]),
            (Draining, [None, None, None, None, None, Some(Closed)]),
            (Closed, [None; 6]),
        ];
        assert_eq!(table.map(|(state, _)| state), State::ALL);
        for (state, row) in table {
            for (event, expected) in Event::ALL.into_iter().zip(row) {
                assert_eq!(state.next(event), expected, "{state:?} on {event:?}");
            }
        }
    }
}

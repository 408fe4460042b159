//! What can be wrong, as plain data.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What is wrong between the clients and the server. By default nothing is.
///
/// ```
/// use qa_servers::proxy::{Door, Faults, Way};
/// use std::time::Duration;
///
/// let far = Way { latency: Duration::from_millis(200), ..Way::default() };
/// assert_eq!(Faults::both(far.clone()), Faults { to_server: far.clone(), to_client: far, ..Faults::default() });
/// assert_eq!(Faults::refused().door, Door::Refuse);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// What becomes of new connections.
    pub door: Door,
    /// What becomes of the bytes from the clients to the server.
    pub to_server: Way,
    /// What becomes of the bytes from the server to the clients.
    pub to_client: Way,
}

impl Faults {
    /// A black hole: nothing is passed in either direction, and new connections are accepted and
    /// hear nothing.
    #[must_use]
    pub fn silent() -> Self {
        let way = Way { silent: true, ..Way::default() };
        Self { door: Door::Silent, ..Self::both(way) }
    }

    /// New connections are refused; the open ones go on.
    #[must_use]
    pub fn refused() -> Self {
        Self { door: Door::Refuse, ..Self::default() }
    }

    /// The same in both directions, with an open door.
    #[must_use]
    pub fn both(way: Way) -> Self {
        Self { door: Door::Open, to_server: way.clone(), to_client: way }
    }

    pub(super) fn way(&self, direction: Direction) -> &Way {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

/// What becomes of new connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// They are accepted and connected with the server; where that refuses, they are reset.
    #[default]
    Open,
    /// They are accepted and hear nothing, and the server hears nothing of them. When the door is
    /// open again they go on, except those that the client has closed meanwhile.
    Silent,
    /// They are accepted and then reset.
    Reset,
    /// The kernel refuses them. The port is kept meanwhile: nobody else can have it.
    Refuse,
}

/// What becomes of the bytes in one direction. By default they pass at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Way {
    /// How long each byte takes. It is a delay, not a pace: what is sent meanwhile is under way
    /// too, up to 4 MiB a connection.
    pub latency: Duration,
    /// How much the latency varies: evenly between `latency - jitter` and `latency + jitter`. The
    /// order is kept, as TCP keeps it.
    pub jitter: Duration,
    /// How many bytes may pass in a second, for each connection; at least one. `None`: any number.
    pub bandwidth: Option<u32>,
    /// How many bytes are sent at a time: a random number in this range, each in a TCP segment of
    /// its own. `None`: as many as there are.
    pub slice: Option<RangeInclusive<usize>>,
    /// How many bytes of this direction, counted from a connection's first one, are passed on before
    /// it ends, and how it ends.
    pub cut_after: Option<(u64, Ending)>,
    /// Nothing is passed on. What was held back goes on when this ends.
    pub silent: bool,
    /// One bit of each byte whose number, counted from one, is a multiple of this is flipped. `None`
    /// and zero: of none.
    pub corrupt_every: Option<u64>,
}

impl Way {
    /// Whether a connection of which that many bytes have passed says no more in this direction.
    pub(super) fn is_silent_after(&self, passed: u64) -> bool {
        self.silent || matches!(self.cut_after, Some((after, Ending::Silence)) if passed >= after)
    }

    /// How a connection of which that many bytes have passed ends now, if it does.
    pub(super) fn ends_after(&self, passed: u64) -> Option<Ending> {
        self.cut_after.and_then(|(after, ending)| (passed >= after).then_some(ending))
    }
}

/// How a connection ends that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order, in both directions, as by [`FaultProxy::cut`](super::FaultProxy::cut).
    Close,
    /// By a TCP reset to both ends, as by [`FaultProxy::reset`](super::FaultProxy::reset).
    Reset,
    /// Nothing more is passed in this direction, as by [`Way::silent`]; the other goes on.
    Silence,
}

/// One of a connection's two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    pub(super) fn back(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

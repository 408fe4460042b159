//! What the proxy tells its tasks: the faults, and the orders given once.

use super::{Direction, Faults};
use tokio::sync::watch;

/// The faults that hold now, and how often each order was given.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) faults: Faults,
    pub(super) orders: Orders,
}

/// How often each order was given: one that came after a connection began is for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Orders {
    pub(super) cuts: u64,
    pub(super) resets: u64,
    half_closes: [u64; 2],
}

impl Orders {
    pub(super) fn half_closes(&self, direction: Direction) -> u64 {
        self.half_closes[direction as usize]
    }

    pub(super) fn half_close(&mut self, direction: Direction) {
        self.half_closes[direction as usize] += 1;
    }
}

pub(super) type Watched = watch::Receiver<Scene>;

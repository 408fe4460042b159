//! A member of a group, and what the group knows of it.

use super::balance::{Standing, View};
use super::board::Board;
use super::record::{News, Record, Verdict};
use super::{Ejection, GroupEvent};
use crate::{Backend, Resource, State};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A resource on its way into a group.
#[derive(Debug)]
pub struct Member<B: Backend> {
    pub(super) resource: Resource<B>,
    pub(super) weight: u32,
}

impl<B: Backend> Member<B> {
    /// A member of weight 1.
    #[must_use]
    pub fn new(resource: Resource<B>) -> Self {
        Self { resource, weight: 1 }
    }

    /// How much it is to have of the work, next to the others' weights: 1 to 1000, others are taken for
    /// the nearest. Means nothing to [`Policy::Failover`](super::Policy::Failover). Default: 1.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight.clamp(1, HEAVIEST);
        self
    }
}

impl<B: Backend> From<Resource<B>> for Member<B> {
    fn from(resource: Resource<B>) -> Self {
        Self::new(resource)
    }
}

/// The largest weight.
pub(super) const HEAVIEST: u32 = 1000;

/// How a member of a group stands, for a table or a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// The name of its resource.
    pub name: Arc<str>,
    /// Its weight.
    pub weight: u32,
    /// Leases that the group has given of it and that are out.
    pub leases: usize,
    /// Whether it is the active one of a failover group.
    pub active: bool,
    /// Whether it is left out, because too many operations on it failed.
    pub ejected: bool,
}

/// A resource with what the group knows of it.
pub(crate) struct Entry<B: Backend> {
    pub(super) resource: Resource<B>,
    pub(super) tally: Arc<Tally>,
}

/// What the group has counted of a member. Every lease that is out holds a reference to it: that is how
/// they are counted.
pub(crate) struct Tally {
    weight: AtomicU32,
    /// Whether the record has anything bad in it; while it has not, nobody needs the lock.
    troubled: AtomicBool,
    record: Mutex<Record>,
    ejection: Ejection,
    name: Arc<str>,
    board: Arc<Board>,
}

impl Tally {
    fn new(name: Arc<str>, weight: u32, ejection: Ejection, board: Arc<Board>) -> Self {
        Self {
            weight: AtomicU32::new(weight),
            troubled: AtomicBool::new(false),
            record: Mutex::default(),
            ejection,
            name,
            board,
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    pub(super) fn set_weight(&self, weight: u32) {
        self.weight.store(weight.clamp(1, HEAVIEST), Ordering::Relaxed);
    }

    /// Forgets what is to be said against it.
    pub(super) fn forgive(&self) {
        self.judge(Verdict::Good, false);
    }

    pub(super) fn standing(&self) -> Standing {
        if self.troubled.load(Ordering::Acquire) {
            self.record().standing(Instant::now())
        } else {
            Standing::Well
        }
    }

    /// An operation has ended.
    pub(super) fn judge(&self, verdict: Verdict, was_probe: bool) {
        if verdict == Verdict::Good && !self.troubled.load(Ordering::Acquire) {
            return;
        }
        let news = {
            let mut record = self.record();
            let news = record.judge(verdict, was_probe, &self.ejection, Instant::now());
            self.troubled.store(!record.is_clean(), Ordering::Release);
            news
        };
        let member = Arc::clone(&self.name);
        match news {
            None => {}
            Some(News::Ejected { failures, length }) => {
                self.board.tell(GroupEvent::Ejected { member, failures, length });
            }
            Some(News::Readmitted) => self.board.tell(GroupEvent::Readmitted { member }),
        }
    }
}

impl<B: Backend> Entry<B> {
    pub(super) fn new(member: Member<B>, ejection: Ejection, board: &Arc<Board>) -> Self {
        let Member { resource, weight } = member;
        resource.shared().observe(board);
        let name = Arc::clone(&resource.shared().name);
        let tally = Arc::new(Tally::new(name, weight, ejection, Arc::clone(board)));
        Self { resource, tally }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.resource.shared().name
    }

    pub(super) fn is_ready(&self) -> bool {
        self.resource.state() == State::Ready
    }

    /// Leases that are out: the entry's own reference is not one.
    pub(super) fn load(&self) -> usize {
        Arc::strong_count(&self.tally) - 1
    }

    /// Whether it still has the connection of this number. What fails on one that was lost says nothing
    /// new: the loss is known, and some of it comes to light only when the next connection is there.
    pub(super) fn has(&self, generation: u64) -> bool {
        let snapshot = self.resource.shared().snapshot.load();
        snapshot.state() == State::Ready && snapshot.generation == generation
    }

    pub(super) fn is_well(&self) -> bool {
        self.is_ready() && self.tally.standing() == Standing::Well
    }

    /// For how long it has been well, where it is.
    pub(super) fn well_for(&self, now: Instant) -> Duration {
        let ready_for = now.saturating_duration_since(self.resource.shared().snapshot.load().since);
        self.tally.record().well_for(now).min(ready_for)
    }

    pub(super) fn view(&self) -> View {
        View {
            ready: self.is_ready(),
            standing: self.tally.standing(),
            load: self.load(),
            weight: self.tally.weight(),
        }
    }
}

/// A lease's seat among those of its member.
pub(crate) struct Seat {
    tally: Arc<Tally>,
    probe: bool,
}

impl Seat {
    /// A seat; `None` where it was to find out whether the member is well, and somebody else does.
    pub(super) fn take(tally: &Arc<Tally>, probe: bool) -> Option<Self> {
        if probe && !tally.record().probe(Instant::now()) {
            return None;
        }
        Some(Self { tally: Arc::clone(tally), probe })
    }

    pub(crate) fn judge(&self, verdict: Verdict) {
        self.tally.judge(verdict, self.probe);
    }

    /// Whether its operation finds out if the member is well again.
    pub(super) fn is_probe(&self) -> bool {
        self.probe
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.probe {
            self.tally.record().probe_ended();
        }
    }
}

//! A group of several members: who they are, and which of them gives the next lease.

use super::balance::{Chance, Choice, Excluded, MOST_MEMBERS, Standing, View, choose};
use super::board::Board;
use super::closing::ForcedSoFar;
use super::member::{Entry, Seat};
use super::{GroupEvent, GroupSettings, Member, MemberStatus, SwitchReason};
use crate::attachment::Attachments;
use crate::deadline::Deadline;
use crate::run::Site;
use crate::shared::Shared;
use crate::{
    Backend, CloseReport, Error, ErrorKind, EventBus, Lease, Resource, Result, Settings, State,
};
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// What all clones of a group of several share.
pub(crate) struct Many<B: Backend> {
    pub(super) board: Arc<Board>,
    pub(super) settings: GroupSettings,
    pub(super) members: ArcSwap<Vec<Arc<Entry<B>>>>,
    /// The place of the active member of a failover group.
    pub(super) active: AtomicUsize,
    turn: AtomicUsize,
    writer: Mutex<Writer>,
    /// Who is told of the state changes of all members, of those too that come later.
    buses: Mutex<Vec<EventBus>>,
    pub(super) attachments: Attachments,
    pub(super) quiescing: CancellationToken,
    pub(super) close_by: Deadline,
    pub(super) forced: ForcedSoFar,
    pub(super) closing: OnceLock<watch::Receiver<Option<CloseReport>>>,
    pub(super) tending: OnceLock<AbortOnDropHandle<()>>,
}

/// What only one changes at a time.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Whether the active member was chosen by hand.
    pub(super) by_hand: bool,
    /// Since when no member is connected, once that was told.
    pub(super) down_since: Option<Instant>,
}

/// The state of a group whose members are in these states.
pub(crate) fn best(states: impl Iterator<Item = State>) -> State {
    let rank = |state: &State| match state {
        State::Ready => 0,
        State::Reconnecting => 1,
        State::Connecting => 2,
        State::Idle => 3,
        State::Draining => 4,
        State::Closed => 5,
    };
    states.min_by_key(rank).unwrap_or(State::Closed)
}

/// A lease with the member that gave it.
pub(crate) type Given<B> = (Lease<B>, Arc<Entry<B>>);

impl<B: Backend> Many<B> {
    pub(super) fn new(
        name: Arc<str>,
        members: Vec<Member<B>>,
        settings: GroupSettings,
    ) -> Result<Arc<Self>> {
        if members.is_empty() {
            return Err(Error::config(name, "a group needs a member"));
        }
        let many = Self {
            board: Arc::new(Board::new(name, B::SYSTEM)),
            settings,
            members: ArcSwap::default(),
            active: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            writer: Mutex::default(),
            buses: Mutex::default(),
            attachments: Attachments::default(),
            quiescing: CancellationToken::new(),
            close_by: Deadline::unset(),
            forced: ForcedSoFar::default(),
            closing: OnceLock::new(),
            tending: OnceLock::new(),
        };
        members.into_iter().try_for_each(|member| many.insert(member))?;
        Ok(Arc::new(many))
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.board.name
    }

    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// The settings of its members: those of the first, which there is always.
    pub(super) fn of_members(&self) -> Arc<Settings> {
        let members = self.members.load();
        members.first().map(|entry| entry.resource.settings()).unwrap_or_default()
    }

    fn buses(&self) -> MutexGuard<'_, Vec<EventBus>> {
        self.buses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a bus of the state changes of all members.
    pub(super) fn report_to(&self, bus: &EventBus) {
        let mut buses = self.buses();
        buses.push(bus.clone());
        self.members.load().iter().for_each(|entry| entry.resource.report_to(bus));
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, member: Member<B>) -> Result<()> {
        let _writer = self.writer();
        let members = self.members.load();
        let refuse = |why: String| Err(Error::config(Arc::clone(&self.board.name), why));
        let name = member.resource.name();
        if members.iter().any(|entry| &**entry.name() == name) {
            return refuse(format!("there are two members named `{name}`"));
        }
        if members.len() == MOST_MEMBERS {
            return refuse(format!("a group has {MOST_MEMBERS} members at the most"));
        }
        let entry = Arc::new(Entry::new(member, self.settings.ejection, &self.board));
        let members = members.iter().cloned().chain([entry]).collect();
        self.members.store(Arc::new(members));
        Ok(())
    }

    /// Adds a member behind the others, and connects it where the group is in use.
    pub(super) fn add(self: &Arc<Self>, member: Member<B>) -> Result<()> {
        if self.closing.get().is_some() {
            return Err(self.closed_error());
        }
        let resource = member.resource.clone();
        self.insert(member)?;
        for bus in self.buses().iter() {
            resource.report_to(bus);
        }
        if self.tending.get().is_some() {
            resource.start()?;
        }
        self.board.tell(GroupEvent::Added { member: Arc::clone(&resource.shared().name) });
        Ok(())
    }

    /// Takes a member out, so that no lease of it is given any more.
    pub(super) fn take_out(&self, name: &str) -> Result<Resource<B>> {
        let writer = self.writer();
        let members = self.members.load_full();
        let at = self.place_of(&members, name)?;
        if members.len() == 1 {
            return Err(Error::config(
                Arc::clone(&self.board.name),
                format!("`{name}` is the last member; close the group instead"),
            ));
        }
        let mut left = (*members).clone();
        let entry = left.remove(at);
        let active = self.active.load(Ordering::Relaxed);
        // The active one stays the same; where it is the one that goes, the first is for now.
        let active = if at == active { 0 } else { active - usize::from(at < active) };
        self.members.store(Arc::new(left));
        self.active.store(active, Ordering::Relaxed);
        drop(writer);
        self.board.tell(GroupEvent::Removed { member: Arc::clone(entry.name()) });
        Ok(entry.resource.clone())
    }

    pub(super) fn place_of(&self, members: &[Arc<Entry<B>>], name: &str) -> Result<usize> {
        members.iter().position(|entry| &**entry.name() == name).ok_or_else(|| {
            let known: Vec<_> = members.iter().map(|entry| &**entry.name()).collect();
            let known = known.join(", ");
            let message = format!("it has no member named `{name}`; it has: {known}");
            Error::config(Arc::clone(&self.board.name), message)
        })
    }

    /// Makes a member the active one.
    pub(super) fn switch_to(&self, name: &str) -> Result<()> {
        let mut writer = self.writer();
        let members = self.members.load();
        let to = self.place_of(&members, name)?;
        writer.by_hand = true;
        // Who asks for it knows better.
        members[to].tally.forgive();
        self.activate(&members, to, SwitchReason::Forced);
        Ok(())
    }

    /// Makes the member at a place the active one, and tells so where it was not. The writer's lock is
    /// held by the caller.
    pub(super) fn activate(&self, members: &[Arc<Entry<B>>], to: usize, reason: SwitchReason) {
        let from = self.active.swap(to, Ordering::Relaxed);
        let Some(before) = members.get(from).filter(|_| from != to) else { return };
        let why = || {
            if before.is_ready() {
                let message = "operations on it failed, and it is left out";
                return Some(Error::new(ErrorKind::Overloaded, Arc::clone(before.name()), message));
            }
            before.resource.shared().snapshot.load().last_error.clone()
        };
        self.board.tell(GroupEvent::Switched {
            from: Arc::clone(before.name()),
            to: Arc::clone(members[to].name()),
            reason,
            cause: (reason == SwitchReason::Failover).then(why).flatten(),
        });
    }

    /// The member that is next, where one that is not excluded is connected.
    fn choose(&self, members: &[Arc<Entry<B>>], excluded: Excluded) -> Option<Choice> {
        let mut views =
            [View { ready: false, standing: Standing::Well, load: 0, weight: 1 }; MOST_MEMBERS];
        for (view, entry) in views.iter_mut().zip(members) {
            *view = entry.view();
        }
        let chance = Chance {
            turn: self.turn.fetch_add(1, Ordering::Relaxed),
            random: fastrand::u64(..),
            active: self.active.load(Ordering::Relaxed),
        };
        choose(self.settings.policy, &views[..members.len()], excluded, chance)
    }

    /// A member that is connected, with a seat: none of `tried`, unless there is no other.
    pub(super) fn pick(&self, tried: Excluded) -> Option<(Arc<Entry<B>>, usize, Seat)> {
        let members = self.members.load();
        let mut excluded = tried;
        // Between the look and the seat somebody else may have taken the probe.
        for _ in 0..=members.len() {
            let choice = self
                .choose(&members, excluded)
                .or_else(|| self.choose(&members, Excluded::default()))?;
            let entry = &members[choice.at];
            match Seat::take(&entry.tally, choice.probe) {
                Some(seat) => return Some((Arc::clone(entry), choice.at, seat)),
                None => excluded.add(choice.at),
            }
        }
        None
    }

    /// A lease now, of a member that is connected.
    pub(super) fn take(&self, tried: Excluded, site: Site) -> Option<Given<B>> {
        let mut excluded = tried;
        for _ in 0..=self.members.load().len() {
            let (entry, at, seat) = self.pick(excluded)?;
            match Lease::take(entry.resource.shared(), site) {
                Ok(lease) => return Some((lease.seated(seat), entry)),
                // It was lost between the look and the lease.
                Err(_) => excluded.add(at),
            }
        }
        None
    }

    /// Whether a member that was not tried is connected.
    pub(super) fn has_other(&self, tried: Excluded) -> bool {
        let members = self.members.load();
        members.iter().enumerate().any(|(at, entry)| !tried.has(at) && entry.is_well())
    }

    /// Which places have the members of these names.
    pub(super) fn places(&self, names: &[Arc<str>]) -> Excluded {
        let mut places = Excluded::default();
        for (at, entry) in self.members.load().iter().enumerate() {
            if names.contains(entry.name()) {
                places.add(at);
            }
        }
        places
    }

    /// That of its best member.
    pub(crate) fn state(&self) -> State {
        best(self.members.load().iter().map(|entry| entry.resource.state()))
    }

    /// What its members are for whoever watches them and must not keep them.
    pub(crate) fn watched(&self) -> Vec<Arc<Shared<B>>> {
        self.members.load().iter().map(|entry| Arc::clone(entry.resource.shared())).collect()
    }

    pub(super) fn standing(&self) -> Vec<MemberStatus> {
        let failover = self.settings.policy == super::Policy::Failover;
        let active = self.active.load(Ordering::Relaxed);
        let members = self.members.load();
        let status = |(at, entry): (usize, &Arc<Entry<B>>)| MemberStatus {
            name: Arc::clone(entry.name()),
            weight: entry.tally.weight(),
            leases: entry.load(),
            active: failover && at == active,
            ejected: entry.tally.standing() != Standing::Well,
        };
        members.iter().enumerate().map(status).collect()
    }

    pub(super) fn closed_error(&self) -> Error {
        let message = format!("the group is {}", self.state());
        Error::new(ErrorKind::Closed, Arc::clone(&self.board.name), message)
    }
}

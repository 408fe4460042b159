//! Interchangeable resources behind one name.

mod balance;
mod board;
mod closing;
mod election;
mod event;
mod many;
mod member;
mod policy;
mod record;
mod running;
mod tending;
mod waiting;

pub(crate) use balance::Excluded;
pub use balance::MOST_MEMBERS;
pub(crate) use board::Board;
pub use event::{GroupEvent, GroupEvents, SwitchReason};
pub(crate) use many::{Many, best};
pub(crate) use member::Seat;
pub use member::{Member, MemberStatus};
pub use policy::{Ejection, GroupSettings, Policy};
pub(crate) use record::Verdict;

use crate::{
    About, Attachment, Backend, CloseReport, Error, EventBus, Health, Lease, Managed, Reading,
    Resource, Result, Settings, Stage, State, Status, Watch,
};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::any::Any;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interchangeable resources behind one name; a single server is a group of one.
///
/// This is what users hold, and what publishers, consumers and batchers are made on, so that a
/// second server is a line of configuration and no change of type. A group of one is made from a
/// resource (`Group::from`) and stays one; [`Group::of`] makes one of several, whose members can be
/// changed while it is used.
///
/// Which member gives a lease is up to a [`Policy`], among those that are connected and well: one on
/// which several operations in a row fail is left out for a while ([`Ejection`]), then a single
/// operation finds out whether it is well again. A lease stays with its member: what lives on one (a
/// consumer, say) goes to another member when its own is lost.
///
/// ```no_run
/// use qa_resource_core::{Backend, Group, GroupSettings, Member, Policy, Resource};
///
/// # fn example<B: Backend>(main: Resource<B>, spare: Resource<B>) -> qa_resource_core::Result<()> {
/// let settings = GroupSettings { policy: Policy::Failover, ..GroupSettings::default() };
/// let bars = Group::of("bars", [Member::new(main), Member::new(spare)], settings)?;
/// # Ok(())
/// # }
/// ```
pub struct Group<B: Backend>(Kind<B>);

enum Kind<B: Backend> {
    One(Resource<B>),
    Many(Arc<Many<B>>),
}

impl<B: Backend> Group<B> {
    /// A group of several, in the order in which a [`Policy::Failover`] prefers them. No I/O.
    ///
    /// # Errors
    /// `Config` where there is no member, more than [`MOST_MEMBERS`], or two of the same name.
    pub fn of<M: Into<Member<B>>>(
        name: impl Into<Arc<str>>,
        members: impl IntoIterator<Item = M>,
        settings: GroupSettings,
    ) -> Result<Self> {
        let members = members.into_iter().map(Into::into).collect();
        Ok(Self(Kind::Many(Many::new(name.into(), members, settings)?)))
    }

    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::One(member) => member.name(),
            Kind::Many(many) => many.name(),
        }
    }

    /// The resources behind the name, in order.
    #[must_use]
    pub fn members(&self) -> Vec<Resource<B>> {
        match &self.0 {
            Kind::One(member) => vec![member.clone()],
            Kind::Many(many) => {
                many.members.load().iter().map(|entry| entry.resource.clone()).collect()
            }
        }
    }

    /// How the members stand in the group; how each stands by itself is in [`status`](Self::status).
    /// Nothing for a group of one. No I/O.
    #[must_use]
    pub fn standing(&self) -> Vec<MemberStatus> {
        match &self.0 {
            Kind::One(_) => Vec::new(),
            Kind::Many(many) => many.standing(),
        }
    }

    /// How the group behaves, where it is one of several.
    #[must_use]
    pub fn group_settings(&self) -> Option<&GroupSettings> {
        match &self.0 {
            Kind::One(_) => None,
            Kind::Many(many) => Some(&many.settings),
        }
    }

    /// Follows what happens in the group from now on: who is active, who is left out, that nobody is
    /// there any more. A group of one has no such events; see [`watch`](Self::watch).
    #[must_use]
    pub fn events(&self) -> GroupEvents {
        GroupEvents(match &self.0 {
            Kind::One(_) => tokio::sync::broadcast::channel(1).1,
            Kind::Many(many) => many.board.events.subscribe(),
        })
    }

    /// Adds a member behind the others; it is connected at once where the group is in use.
    ///
    /// # Errors
    /// `Config` for a group of one, a name that is taken, and more than [`MOST_MEMBERS`]; `Closed`.
    pub fn add(&self, member: impl Into<Member<B>>) -> Result<()> {
        self.many()?.add(member.into())
    }

    /// Removes a member: no lease of it is given any more, and it is closed within `limit`, which waits
    /// for those that are out.
    ///
    /// # Errors
    /// `Config` for a group of one, for a name that it has not, and for its last member.
    ///
    /// # Cancel safety
    /// It is removed, and the close goes on, where this is dropped.
    pub async fn remove(&self, name: &str, limit: Duration) -> Result<CloseReport> {
        let resource = self.many()?.take_out(name)?;
        Ok(resource.close(limit).await)
    }

    /// Gives a member another weight, 1 to 1000.
    ///
    /// # Errors
    /// `Config` for a group of one, and for a name that it has not.
    pub fn set_weight(&self, name: &str, weight: u32) -> Result<()> {
        let many = self.many()?;
        let members = many.members.load();
        members[many.place_of(&members, name)?].tally.set_weight(weight);
        Ok(())
    }

    /// Makes a member of a failover group the active one at once. It stays so until it is lost, whoever
    /// stands before it, and what failed on it before is forgotten. Leases that are out stay where they
    /// are.
    ///
    /// # Errors
    /// `Config` for a group of one, for another policy, and for a name that it has not.
    pub fn switch_to(&self, name: &str) -> Result<()> {
        let many = self.many()?;
        if many.settings.policy != Policy::Failover {
            return Err(Error::config(
                Arc::clone(many.name()),
                "only a group with the policy `failover` has an active member",
            ));
        }
        many.switch_to(name)
    }

    fn many(&self) -> Result<&Arc<Many<B>>> {
        match &self.0 {
            Kind::Many(many) => Ok(many),
            Kind::One(member) => Err(Error::config(
                Arc::clone(&member.shared().name),
                "this is a group of one, which stays so; make it with Group::of",
            )),
        }
    }

    /// Connects every member, all at once, and waits until one is ready; see [`Resource::connect`].
    /// The others go on.
    ///
    /// # Errors
    /// As [`Resource::connect`], where no member could be connected.
    ///
    /// # Cancel safety
    /// The connects go on in the background.
    pub async fn connect(&self) -> Result<()> {
        match &self.0 {
            Kind::One(member) => member.connect().await,
            Kind::Many(many) => many.connect().await,
        }
    }

    /// A lease of a member that is ready; see [`Resource::acquire`].
    ///
    /// # Errors
    /// As [`Resource::acquire`]; the error of a group of several says why of each member.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Lease<B>>> + Send + '_ {
        let site = Location::caller();
        async move {
            match &self.0 {
                Kind::One(member) => member.acquire_at(site).await,
                Kind::Many(many) => Ok(many.acquire(Excluded::default(), site).await?.0),
            }
        }
    }

    /// As [`acquire`](Self::acquire), of none of the members in `tried` where another one is ready: for
    /// operations that are tried again elsewhere.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_elsewhere(
        &self,
        tried: &[Arc<str>],
    ) -> impl Future<Output = Result<Lease<B>>> + Send {
        let site = Location::caller();
        async move {
            match &self.0 {
                Kind::One(member) => member.acquire_at(site).await,
                Kind::Many(many) => Ok(many.acquire(many.places(tried), site).await?.0),
            }
        }
    }

    /// A lease now, or an error; see [`Resource::try_acquire`].
    ///
    /// # Errors
    /// As [`Resource::try_acquire`].
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Lease<B>> {
        match &self.0 {
            Kind::One(member) => member.try_acquire(),
            Kind::Many(many) => {
                let given = many.take_tended(Excluded::default(), Location::caller());
                given.map(|(lease, _)| lease).ok_or_else(|| many.not_now())
            }
        }
    }

    /// Where it is in its life: that of its best member.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.0 {
            Kind::One(member) => member.state(),
            Kind::Many(many) => many.state(),
        }
    }

    /// How its members stand. No I/O.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        self.members().iter().map(Resource::status).collect()
    }

    /// The last reading of its health: of a group of several that of its best member, and degraded where
    /// that is up and another one is not. No I/O.
    #[must_use]
    pub fn health(&self) -> Reading {
        match &self.0 {
            Kind::One(member) => member.health(),
            Kind::Many(_) => self.of_all(self.members().iter().map(Resource::health).collect()),
        }
    }

    fn of_all(&self, readings: Vec<Reading>) -> Reading {
        let health = Health::of_several(readings.iter().map(|reading| reading.health));
        let worse = readings.iter().filter(|reading| reading.health != Health::Up).count();
        let cause = readings.iter().find_map(|reading| reading.error.clone());
        let all = readings.len();
        let best = readings.into_iter().min_by_key(|reading| reading.health.rank());
        let Some(best) = best else { return Reading::new(health, None, None) };
        if best.health == health {
            return best;
        }
        let cause = cause.as_ref().map_or("none", Error::message);
        let message = format!("{worse} of {all} members are not up; a cause: {cause}");
        let error = Error::new(crate::ErrorKind::Connect, self.name(), message);
        Reading { health, error: Some(error), ..best }
    }

    /// The settings of its members; where they differ, those of the first.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        match &self.0 {
            Kind::One(member) => member.settings(),
            Kind::Many(many) => many.of_members(),
        }
    }

    /// Has other settings be in force for every member; see [`Resource::set_settings`].
    pub fn set_settings(&self, settings: &Settings) {
        for member in self.members() {
            member.set_settings(settings.clone());
        }
    }

    /// Has every member make a fresh connection; see [`Resource::reconnect`].
    pub fn reconnect(&self) {
        self.members().iter().for_each(Resource::reconnect);
    }

    /// Follows the state changes of its members from now on.
    #[must_use]
    pub fn watch(&self) -> Watch<B> {
        match &self.0 {
            Kind::One(member) => member.watch(),
            Kind::Many(many) => Watch::of_group(many),
        }
    }

    /// Tells the state changes of its members to `bus` too, of those that come later as well; see
    /// [`Resource::report_to`].
    pub fn report_to(&self, bus: &EventBus) {
        match &self.0 {
            Kind::One(member) => member.report_to(bus),
            Kind::Many(many) => many.report_to(bus),
        }
    }

    /// Attaches what has to end before the group; see [`Resource::attach`].
    pub fn attach(&self, attachment: &Arc<dyn Attachment>) {
        match &self.0 {
            Kind::One(member) => member.attach(attachment),
            Kind::Many(many) => many.attach(attachment),
        }
    }

    /// Fired when nothing new is to be begun on this group; see [`Resource::quiescing`].
    #[must_use]
    pub fn quiescing(&self) -> &CancellationToken {
        match &self.0 {
            Kind::One(member) => member.quiescing(),
            Kind::Many(many) => &many.quiescing,
        }
    }

    /// Ends every member for good within `limit`, all at once; see [`Resource::close`].
    ///
    /// # Cancel safety
    /// The close goes on where this is dropped.
    ///
    /// # Panics
    /// A group of several: outside of a Tokio runtime.
    pub async fn close(&self, limit: Duration) -> CloseReport {
        match &self.0 {
            Kind::One(member) => member.close(limit).await,
            Kind::Many(many) => many.close(limit).await,
        }
    }
}

impl<B: Backend> From<Resource<B>> for Group<B> {
    fn from(member: Resource<B>) -> Self {
        Self(Kind::One(member))
    }
}

impl<B: Backend> From<&Resource<B>> for Group<B> {
    fn from(member: &Resource<B>) -> Self {
        Self(Kind::One(member.clone()))
    }
}

impl<B: Backend> From<&Self> for Group<B> {
    fn from(group: &Self) -> Self {
        group.clone()
    }
}

impl<B: Backend> Clone for Group<B> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Kind::One(member) => Kind::One(member.clone()),
            Kind::Many(many) => Kind::Many(Arc::clone(many)),
        })
    }
}

impl<B: Backend> std::fmt::Debug for Group<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.name())
            .field("members", &self.members())
            .finish()
    }
}

#[async_trait]
impl<B: Backend> Managed for Group<B> {
    fn name(&self) -> &str {
        Self::name(self)
    }

    fn system(&self) -> &'static str {
        B::SYSTEM
    }

    fn state(&self) -> State {
        Self::state(self)
    }

    fn status(&self) -> Vec<Status> {
        Self::status(self)
    }

    fn standing(&self) -> Vec<MemberStatus> {
        Self::standing(self)
    }

    fn report_to(&self, bus: &EventBus) {
        Self::report_to(self, bus);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn set_settings(&self, settings: &Settings) {
        Self::set_settings(self, settings);
    }

    fn reconnect(&self) {
        Self::reconnect(self);
    }

    async fn connect(&self) -> Result<()> {
        Self::connect(self).await
    }

    async fn about(&self) -> Vec<Result<About>> {
        join_all(self.members().iter().map(Resource::about)).await
    }

    async fn check_now(&self) -> Reading {
        match &self.0 {
            Kind::One(member) => member.check_now().await,
            Kind::Many(_) => {
                let members = self.members();
                self.of_all(join_all(members.iter().map(Resource::check_now)).await)
            }
        }
    }

    fn quiesce(&self) {
        match &self.0 {
            Kind::One(member) => member.quiesce(),
            Kind::Many(many) => many.quiesce(),
        }
    }

    async fn drain(&self, stage: Stage, limit: Duration) {
        match &self.0 {
            Kind::One(member) => member.drain(stage, limit).await,
            Kind::Many(many) => many.drain(stage, limit).await,
        }
    }

    async fn close(&self, limit: Duration) -> CloseReport {
        Self::close(self, limit).await
    }
}

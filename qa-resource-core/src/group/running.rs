//! Operations on a group: as on a resource, and tried again on another member.

use super::balance::Excluded;
use super::many::Many;
use super::member::Entry;
use super::record::Verdict;
use super::{Group, Kind};
use crate::run::{Admitted, Again, End, Limits, Mark, Site, Source, attempts};
use crate::shared::Shared;
use crate::{Backend, Lease, Result};
use std::panic::Location;
use std::sync::Arc;
use tokio::time::Instant;

impl<B: Backend> Group<B> {
    /// Runs an operation with a lease; see [`Resource::run`](crate::Resource::run). In a group of several
    /// each attempt goes to another member, without a pause, while there is one that was not tried.
    ///
    /// # Errors
    /// As [`Resource::run`](crate::Resource::run).
    ///
    /// # Cancel safety
    /// As [`Resource::run`](crate::Resource::run).
    #[track_caller]
    pub fn run<T, F, Fut>(&self, op: F) -> impl Future<Output = Result<T>> + Send
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        self.attempts(op, Again::IfNotApplied, Location::caller())
    }

    /// Runs an operation that may be done twice without harm, on two members too; see
    /// [`Resource::run_idempotent`](crate::Resource::run_idempotent) and [`run`](Self::run).
    ///
    /// # Errors
    /// As [`Resource::run`](crate::Resource::run).
    ///
    /// # Cancel safety
    /// As [`Resource::run`](crate::Resource::run).
    #[track_caller]
    pub fn run_idempotent<T, F, Fut>(&self, op: F) -> impl Future<Output = Result<T>> + Send
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        self.attempts(op, Again::IfTransient, Location::caller())
    }

    async fn attempts<T, F, Fut>(&self, op: F, again: Again, site: Site) -> Result<T>
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        match &self.0 {
            Kind::One(member) => attempts(member, op, again, site).await,
            Kind::Many(many) => attempts(many, op, again, site).await,
        }
    }
}

impl<B: Backend> Source<B> for Arc<Many<B>> {
    type Member = Arc<Entry<B>>;

    fn limits(&self) -> Limits {
        Limits::from(&*self.of_members())
    }

    async fn admit(
        &self,
        tried: Excluded,
        site: Site,
        deadline: Instant,
    ) -> Result<Admitted<B, Arc<Entry<B>>>> {
        let ((lease, member), place, probe) = Many::admit(self, tried, site, deadline).await?;
        let mark = Mark { generation: lease.generation(), probe };
        Ok(Admitted { lease, place, member, mark })
    }

    fn shared<'a>(&'a self, member: &'a Arc<Entry<B>>) -> &'a Arc<Shared<B>> {
        member.resource.shared()
    }

    fn judge(&self, tried: &mut Excluded, member: &Arc<Entry<B>>, end: End) -> bool {
        if let Some(verdict) = Verdict::of(end.error)
            && (verdict == Verdict::Good || member.has(end.mark.generation))
        {
            member.tally.judge(verdict, end.mark.probe);
        }
        if end.error.is_none() {
            return false;
        }
        if let Ok(at) = self.place_of(&self.members.load(), member.name()) {
            tried.add(at);
        }
        self.has_other(*tried)
    }
}

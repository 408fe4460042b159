//! Interchangeable resources behind one name.

use crate::{
    Attachment, Backend, CloseReport, Lease, Managed, Reading, Resource, Result, Settings, Stage,
    State, Status, Watch,
};
use async_trait::async_trait;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interchangeable resources behind one name; a single server is a group of one.
///
/// This is what users hold, and what publishers, consumers and batchers are made on, so that a
/// second server is a line of configuration and no change of type. At present a group has exactly
/// one member.
pub struct Group<B: Backend> {
    member: Resource<B>,
}

impl<B: Backend> Group<B> {
    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.member.name()
    }

    /// The resources behind the name.
    #[must_use]
    pub fn members(&self) -> &[Resource<B>] {
        std::slice::from_ref(&self.member)
    }

    /// Connects every member; see [`Resource::connect`].
    ///
    /// # Errors
    /// As [`Resource::connect`].
    ///
    /// # Cancel safety
    /// The connect goes on in the background.
    pub async fn connect(&self) -> Result<()> {
        self.member.connect().await
    }

    /// A lease of a member that is ready; see [`Resource::acquire`].
    ///
    /// # Errors
    /// As [`Resource::acquire`].
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Lease<B>>> + Send + '_ {
        self.member.acquire()
    }

    /// A lease now, or an error; see [`Resource::try_acquire`].
    ///
    /// # Errors
    /// As [`Resource::try_acquire`].
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Lease<B>> {
        self.member.try_acquire()
    }

    /// Runs an operation with a lease; see [`Resource::run`].
    ///
    /// # Errors
    /// As [`Resource::run`].
    ///
    /// # Cancel safety
    /// As [`Resource::run`].
    #[track_caller]
    pub fn run<T, F, Fut>(&self, op: F) -> impl Future<Output = Result<T>> + Send
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        self.member.run(op)
    }

    /// Runs an operation that may be done twice without harm; see [`Resource::run_idempotent`].
    ///
    /// # Errors
    /// As [`Resource::run`].
    ///
    /// # Cancel safety
    /// As [`Resource::run`].
    #[track_caller]
    pub fn run_idempotent<T, F, Fut>(&self, op: F) -> impl Future<Output = Result<T>> + Send
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        self.member.run_idempotent(op)
    }

    /// Where it is in its life: that of its best member.
    #[must_use]
    pub fn state(&self) -> State {
        self.member.state()
    }

    /// How its members stand. No I/O.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        vec![self.member.status()]
    }

    /// The last reading of the health of its best member. No I/O.
    #[must_use]
    pub fn health(&self) -> Reading {
        self.member.health()
    }

    /// The settings of its members.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.member.settings()
    }

    /// Follows the state changes of its member from now on.
    #[must_use]
    pub fn watch(&self) -> Watch<B> {
        self.member.watch()
    }

    /// Attaches what has to end before the group; see [`Resource::attach`].
    pub fn attach(&self, attachment: &Arc<dyn Attachment>) {
        self.member.attach(attachment);
    }

    /// Fired when nothing new is to be begun on this group; see [`Resource::quiescing`].
    #[must_use]
    pub fn quiescing(&self) -> &CancellationToken {
        self.member.quiescing()
    }

    /// Ends every member for good within `limit`; see [`Resource::close`].
    ///
    /// # Cancel safety
    /// The close goes on where this is dropped.
    pub async fn close(&self, limit: Duration) -> CloseReport {
        self.member.close(limit).await
    }
}

impl<B: Backend> From<Resource<B>> for Group<B> {
    fn from(member: Resource<B>) -> Self {
        Self { member }
    }
}

impl<B: Backend> From<&Resource<B>> for Group<B> {
    fn from(member: &Resource<B>) -> Self {
        Self { member: member.clone() }
    }
}

impl<B: Backend> From<&Self> for Group<B> {
    fn from(group: &Self) -> Self {
        group.clone()
    }
}

impl<B: Backend> Clone for Group<B> {
    fn clone(&self) -> Self {
        Self { member: self.member.clone() }
    }
}

impl<B: Backend> std::fmt::Debug for Group<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("members", &self.members()).finish()
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

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn connect(&self) -> Result<()> {
        Self::connect(self).await
    }

    async fn check_now(&self) -> Reading {
        self.member.check_now().await
    }

    fn quiesce(&self) {
        self.member.quiesce();
    }

    async fn drain(&self, stage: Stage, limit: Duration) {
        self.member.drain(stage, limit).await;
    }

    async fn close(&self, limit: Duration) -> CloseReport {
        Self::close(self, limit).await
    }
}

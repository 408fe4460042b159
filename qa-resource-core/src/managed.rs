//! What a registry needs of a group, whatever its backend.

use crate::{
    About, CloseReport, EventBus, MemberStatus, Reading, Result, Settings, Stage, State, Status,
};
use async_trait::async_trait;
use std::any::Any;
use std::time::Duration;

/// A [`Group`](crate::Group) whose backend is not known: the verbs that a pool needs. Implemented
/// by groups alone; see there for errors and cancel safety.
#[async_trait]
pub trait Managed: Send + Sync + 'static {
    /// The name.
    fn name(&self) -> &str;
    /// The system, such as `redis`.
    fn system(&self) -> &'static str;
    /// Where it is in its life.
    fn state(&self) -> State;
    /// How its members stand.
    fn status(&self) -> Vec<Status>;
    /// How its members stand in the group, in the order of `status`; nothing for a group of one.
    fn standing(&self) -> Vec<MemberStatus>;
    /// Tells the state changes of its members to a bus.
    fn report_to(&self, bus: &EventBus);
    /// The group itself, to be downcast to its type.
    fn as_any(&self) -> &dyn Any;
    /// Has other settings be in force for every member.
    fn set_settings(&self, settings: &Settings);
    /// Has every member make a fresh connection.
    fn reconnect(&self);
    /// Connects, and waits until it is ready.
    async fn connect(&self) -> Result<()>;
    /// Pings now.
    async fn check_now(&self) -> Reading;
    /// What its members' servers say about themselves, in the order of `status`.
    async fn about(&self) -> Vec<Result<About>>;
    /// Step one of a shutdown: takes nothing new in.
    fn quiesce(&self);
    /// Step two of a shutdown: drains the attachments of one stage.
    async fn drain(&self, stage: Stage, limit: Duration);
    /// Step three of a shutdown: ends it for good.
    async fn close(&self, limit: Duration) -> CloseReport;
}

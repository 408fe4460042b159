//! Ending many resources in order, inside one deadline.

use crate::deadline::Deadline;
use crate::settings::LONGEST;
use crate::{CloseReport, Managed, Stage};
use futures_util::future::join_all;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a shutdown went. Its `Display` is a line per resource and one for all.
#[derive(Clone, Debug, Default)]
pub struct ShutdownReport {
    /// From the call to the end.
    pub took: Duration,
    /// The application's tracked tasks that had not ended when their time was over.
    pub unfinished_tasks: usize,
    /// A report per resource, in the order in which they were closed.
    pub resources: Vec<CloseReport>,
}

impl ShutdownReport {
    /// Whether nothing had to be forced.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unfinished_tasks == 0 && self.resources.iter().all(CloseReport::is_clean)
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for report in &self.resources {
            writeln!(f, "{report}")?;
        }
        if self.unfinished_tasks > 0 {
            writeln!(f, "{} tasks had not ended", self.unfinished_tasks)?;
        }
        let how = if self.is_clean() {
            "nothing had to be forced"
        } else {
            "some things had to be forced"
        };
        write!(f, "{} resources closed in {:.1?}; {how}", self.resources.len(), self.took)
    }
}

/// A shutdown in three steps over all resources, inside one deadline that can be brought forward.
///
/// 1. *Quiesce*: everything stops taking new work in, at once; `closing` fires, so that the
///    application's own loops end. Leases are still given.
/// 2. *Drain*: intakes and the application's tracked tasks finish, then outlets.
/// 3. *Close*: one after the other, the last added first. Each has its share of what is left of the
///    time, so that one that hangs can't take its neighbours'.
#[derive(Debug)]
pub struct Shutdown {
    deadline: Deadline,
    limit: Duration,
}

impl Shutdown {
    /// A shutdown that may take `limit` from now.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        let limit = LONGEST.min(limit);
        Self { deadline: Deadline::after(limit), limit }
    }

    /// Brings the deadline forward to `limit` from now, where that is sooner.
    pub fn hurry(&self, limit: Duration) {
        self.deadline.shorten(limit);
    }

    /// Runs the three steps over `members`, which are in the order in which they were added.
    ///
    /// # Cancel safety
    /// Steps that were begun are not begun again: run it on a task of its own.
    pub async fn run(
        &self,
        members: &[Arc<dyn Managed>],
        tasks: &TaskTracker,
        closing: &CancellationToken,
    ) -> ShutdownReport {
        let began = Instant::now();
        closing.cancel();
        for member in members {
            member.quiesce();
        }
        tasks.close();
        // A half of the time is for draining, of which outlets have the last third.
        let (half, third) = (self.limit / 2, self.limit * 2 / 3);
        let intakes =
            join_all(members.iter().map(|member| member.drain(Stage::Intake, self.limit / 3)));
        let tracked = self.deadline.bound(third, tasks.wait());
        let (tracked, _) = tokio::join!(tracked, self.deadline.bound(half, intakes));
        let outlets =
            join_all(members.iter().map(|member| member.drain(Stage::Outlet, self.limit / 3)));
        self.deadline.bound(half / 2, outlets).await;
        let mut resources = Vec::with_capacity(members.len());
        for (done, member) in members.iter().rev().enumerate() {
            resources.push(self.close(&**member, members.len() - done).await);
        }
        let unfinished_tasks = if tracked.is_some() { 0 } else { tasks.len() };
        ShutdownReport { took: began.elapsed(), unfinished_tasks, resources }
    }

    /// Closes one of `left` members within its share of the time.
    async fn close(&self, member: &dyn Managed, left: usize) -> CloseReport {
        let share = self.deadline.remaining() / u32::try_from(left.max(1)).unwrap_or(u32::MAX);
        match self.deadline.bound(Duration::ZERO, member.close(share)).await {
            Some(report) => report,
            // The deadline was brought forward meanwhile, or has passed.
            None => member.close(Duration::ZERO).await,
        }
    }
}

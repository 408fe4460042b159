//! Several servers that are alike, behind one name.

mod balance;

pub use balance::{Ejection, Policy};

use crate::ClickHouse;
use balance::{Balance, Verdict};
use futures_util::future::join_all;
use qa_resource_core::{
    Backend, CloseReport, ErrorKind, Group, Resource, Result, Settings, State, Target,
};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Servers that hold the same data: replicas, or the nodes over which a `Distributed` table lies. A
/// query goes to one of them.
///
/// Each is a resource of its own, with a connection that is watched and brought back. Which is asked is
/// up to a [`Policy`], among those that are connected and well: one that fails several times in a row
/// is left out for a while ([`Ejection`]), then a single query finds out whether it is well again.
///
/// Cheap to clone; all clones are the same endpoints.
///
/// ```no_run
/// use qa_clickhouse::{Ejection, Endpoints, Policy, Queries, QueryOptions};
/// use qa_resource_core::{Settings, Target};
///
/// # async fn example() -> qa_resource_core::Result<()> {
/// let target = Target::parse("bars", "clickhouse://me:secret@one,two:8124/quantaxis")?;
/// let endpoints =
///     Endpoints::of_target(&target, &Settings::default(), Policy::LeastLoaded, Ejection::default())?;
/// endpoints.connect().await?;
/// let queries = Queries::new(&endpoints, QueryOptions::default());
/// let count: u64 = queries.query("SELECT count() FROM bars").fetch_one().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Endpoints(Arc<Inner>);

struct Inner {
    name: String,
    groups: Vec<Group<ClickHouse>>,
    balance: Mutex<Balance>,
}

impl Endpoints {
    /// These servers, under one name. None of them is connected by this.
    ///
    /// # Panics
    /// Where there is no server among them.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        servers: impl IntoIterator<Item = Group<ClickHouse>>,
        policy: Policy,
        ejection: Ejection,
    ) -> Self {
        let groups: Vec<_> = servers.into_iter().collect();
        assert!(!groups.is_empty(), "endpoints are at least one server");
        let balance = Mutex::new(Balance::new(groups.len(), policy, ejection));
        Self(Arc::new(Inner { name: name.into(), groups, balance }))
    }

    /// A resource for each host of a URL: `clickhouse://user:password@one,two/database`. They are
    /// named after the target and the host, as `bars@one:8123`.
    ///
    /// # Errors
    /// As [`ClickHouse::new`], but that there may be several hosts.
    pub fn of_target(
        target: &Target,
        settings: &Settings,
        policy: Policy,
        ejection: Ejection,
    ) -> Result<Self> {
        let backends = ClickHouse::each(target)?;
        let groups = backends.into_iter().map(|backend| {
            let server = backend.address().split('/').next().unwrap_or_default();
            let name = format!("{}@{server}", target.name);
            Group::from(Resource::new(name, backend, settings.clone()))
        });
        Ok(Self::new(&*target.name, groups, policy, ejection))
    }

    /// The name of all of them.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The servers.
    #[must_use]
    pub fn groups(&self) -> &[Group<ClickHouse>] {
        &self.0.groups
    }

    /// Which servers are left out at present, by their place among [`groups`](Self::groups).
    #[must_use]
    pub fn ejected(&self) -> Vec<usize> {
        let (balance, now) = (self.balance(), Instant::now());
        (0..self.0.groups.len()).filter(|at| balance.is_ejected(*at, now)).collect()
    }

    /// Connects all of them at once.
    ///
    /// # Errors
    /// That of the first server, where not one could be connected. One is enough: the others go on
    /// being tried with the first query that wants them, or another connect.
    ///
    /// # Cancel safety
    /// The connects go on in the background.
    pub async fn connect(&self) -> Result<()> {
        let ends = join_all(self.0.groups.iter().map(Group::connect)).await;
        if ends.iter().any(Result::is_ok) {
            return Ok(());
        }
        ends.into_iter().next().unwrap_or(Ok(()))
    }

    /// Ends all of them at once, for good, within `limit`.
    ///
    /// # Cancel safety
    /// The closes go on where this is dropped.
    pub async fn close(&self, limit: Duration) -> Vec<CloseReport> {
        join_all(self.0.groups.iter().map(|group| group.close(limit))).await
    }

    fn balance(&self) -> MutexGuard<'_, Balance> {
        self.0.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.0.groups[0].settings()
    }

    pub(crate) fn acquire_timeout(&self) -> Duration {
        self.settings().acquire_timeout
    }

    /// A seat for a query, on none of `not` where there is another.
    pub(crate) fn seat(&self, not: &[usize]) -> Seat {
        let ready: Vec<_> =
            self.0.groups.iter().map(|group| group.state() == State::Ready).collect();
        let member = self.balance().seat(Instant::now(), &ready, not);
        Seat { endpoints: self.clone(), member, verdict: Verdict::Neither }
    }
}

/// A query's seat on one of the servers, which it leaves when this is dropped.
pub(crate) struct Seat {
    endpoints: Endpoints,
    member: usize,
    verdict: Verdict,
}

impl Seat {
    pub(crate) fn member(&self) -> usize {
        self.member
    }

    pub(crate) fn group(&self) -> &Group<ClickHouse> {
        &self.endpoints.0.groups[self.member]
    }

    pub(crate) fn name(&self) -> &str {
        self.group().name()
    }

    pub(crate) fn address(&self) -> &str {
        self.group().members()[0].backend().address()
    }

    pub(crate) fn succeeded(&mut self) {
        self.verdict = Verdict::Good;
    }

    /// The first failure is the one that counts.
    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        // What the server understood and refused says that it is well.
        let good = kind == ErrorKind::Operation;
        self.verdict = match (kind.is_transient(), good) {
            (true, _) => Verdict::Bad,
            (_, true) => Verdict::Good,
            _ => Verdict::Neither,
        };
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.endpoints.balance().ended(self.member, self.verdict, Instant::now());
    }
}

impl From<Group<ClickHouse>> for Endpoints {
    fn from(group: Group<ClickHouse>) -> Self {
        let name = group.name().to_owned();
        Self::new(name, [group], Policy::default(), Ejection::default())
    }
}

impl From<&Group<ClickHouse>> for Endpoints {
    fn from(group: &Group<ClickHouse>) -> Self {
        Self::from(group.clone())
    }
}

impl From<&Resource<ClickHouse>> for Endpoints {
    fn from(resource: &Resource<ClickHouse>) -> Self {
        Self::from(Group::from(resource))
    }
}

impl From<&Self> for Endpoints {
    fn from(endpoints: &Self) -> Self {
        endpoints.clone()
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.groups.iter().map(Group::name).collect();
        f.debug_struct("Endpoints").field("name", &self.0.name).field("servers", &names).finish()
    }
}

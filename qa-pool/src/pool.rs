//! The named groups of a process.

use crate::reload::Loaded;
use crate::{Config, backends};
use futures_util::future::join_all;
use qa_resource_core::{
    About, Backend, Error, ErrorKind, EventBus, Events, Group, Managed, MemberStatus, Reading,
    Result, Shutdown, ShutdownReport, State, Status,
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The named groups of a process: it connects them, reports on them, and shuts them down in
/// order. Cheap to clone; all clones are the same pool.
///
/// Get a group once and keep it: looking it up takes a lock, using it does not.
#[derive(Clone)]
pub struct ResourcePool(Arc<Inner>);

struct Inner {
    members: RwLock<Vec<Member>>,
    closing: CancellationToken,
    /// Where all members tell their state changes; gone once the pool is closed.
    bus: Mutex<Option<EventBus>>,
    tasks: TaskTracker,
    /// What it was made from.
    loaded: Mutex<Loaded>,
    /// Set by the first close, with where its report will be.
    shutdown: OnceLock<(Arc<Shutdown>, watch::Receiver<Option<ShutdownReport>>)>,
}

#[derive(Clone)]
struct Member {
    group: Arc<dyn Managed>,
    required: bool,
}

/// How a group stands, for a table or a page.
#[derive(Clone, Debug)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Its system, such as `redis`.
    pub system: &'static str,
    /// Whether the pool can't do without it.
    pub required: bool,
    /// Where it is in its life: that of its best member.
    pub state: State,
    /// How its members stand, each by itself.
    pub members: Vec<Status>,
    /// How they stand in the group: who is active, who is left out. In the same order, as long as none is
    /// added or removed meanwhile; nothing for a group of one.
    pub standing: Vec<MemberStatus>,
}

/// Which required groups could not be connected, and why. Its `Display` is a line for each.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", lines(failures))]
pub struct ConnectError {
    /// An error per group that failed, in the order in which they were added.
    pub failures: Vec<Error>,
}

fn lines(failures: &[Error]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl ResourcePool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            members: RwLock::default(),
            closing: CancellationToken::new(),
            bus: Mutex::new(Some(EventBus::new())),
            tasks: TaskTracker::new(),
            loaded: Mutex::default(),
            shutdown: OnceLock::new(),
        }))
    }

    /// A pool with a group for each resource of `config`, in its order. Nothing is dialled.
    ///
    /// # Errors
    /// `Config`, naming the resource, for what a backend refuses: an unknown scheme or URL option,
    /// a feature that is not built in, a name that is there twice.
    pub fn from_config(config: &Config) -> Result<Self> {
        let pool = Self::new();
        for resource in &config.resources {
            let target = pool.loaded().adopt(resource);
            let group = backends::make(resource, &target)?;
            pool.insert(group, resource.required)?;
        }
        pool.loaded().adopted(config);
        Ok(pool)
    }

    /// Adds a group (or a single resource), under its own name, as one that is required.
    ///
    /// # Errors
    /// `Config` where the name is taken; `Closed` where the pool is closing.
    pub fn add<B: Backend>(&self, group: impl Into<Group<B>>) -> Result<Group<B>> {
        let group = group.into();
        self.insert(Arc::new(group.clone()), true)?;
        Ok(group)
    }

    /// Adds a group that the pool can do without: that it can't be connected is no error of
    /// [`connect`](Self::connect), and it does not count in [`is_ready`](Self::is_ready).
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_optional<B: Backend>(&self, group: impl Into<Group<B>>) -> Result<Group<B>> {
        let group = group.into();
        self.insert(Arc::new(group.clone()), false)?;
        Ok(group)
    }

    fn insert(&self, group: Arc<dyn Managed>, required: bool) -> Result<()> {
        let mut members = self.0.members.write().unwrap_or_else(PoisonError::into_inner);
        if self.0.closing.is_cancelled() {
            return Err(Error::new(ErrorKind::Closed, group.name(), "the pool is closing"));
        }
        if members.iter().any(|member| member.group.name() == group.name()) {
            return Err(Error::config(group.name(), "there are two resources of this name"));
        }
        group.report_to(&self.bus());
        members.push(Member { group, required });
        Ok(())
    }

    /// The group of backend `B` named `name`.
    ///
    /// # Errors
    /// `Config` where there is none of that name (the error lists those that there are), or it is
    /// of another backend.
    pub fn get<B: Backend>(&self, name: &str) -> Result<Group<B>> {
        let members = self.members();
        let Some(member) = members.iter().find(|member| member.group.name() == name) else {
            let known =
                members.iter().map(|member| member.group.name()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Err(Error::config(
                name,
                format!("the pool has no resource of this name; it has: {known}"),
            ));
        };
        let group = member.group.as_any().downcast_ref::<Group<B>>();
        let other = member.group.system();
        group.cloned().ok_or_else(|| {
            Error::config(name, format!("this is a {other} resource, not {}", B::SYSTEM))
        })
    }

    /// The group of backend `B` that has the default name, or is the only one.
    #[allow(dead_code, reason = "a build without backends has no use for it")]
    pub(crate) fn default_of<B: Backend>(&self, name: &str) -> Result<Group<B>> {
        let members = self.members();
        let mut of_kind =
            members.iter().filter_map(|member| member.group.as_any().downcast_ref::<Group<B>>());
        match (of_kind.next(), of_kind.next()) {
            (Some(only), None) => Ok(only.clone()),
            _ => self.get(name),
        }
    }

    /// Connects every group, all at once, and waits for each to be ready or to give up.
    ///
    /// A required group that is already there stays connected where another one fails.
    ///
    /// # Errors
    /// Every required group's error; an optional one's is logged.
    ///
    /// # Cancel safety
    /// The connects go on in the background.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        let connects = self.members().into_iter().map(|member| async move {
            match member.group.connect().await {
                Err(error) if member.required => Some(error),
                Err(error) => {
                    tracing::warn!(
                        resource = error.resource(),
                        cause = error.message(),
                        "an optional resource is not there"
                    );
                    None
                }
                Ok(()) => None,
            }
        });
        let failures: Vec<_> = join_all(connects).await.into_iter().flatten().collect();
        if failures.is_empty() { Ok(()) } else { Err(ConnectError { failures }) }
    }

    /// How every resource stands, in the order in which they were added. No I/O.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        self.members().iter().flat_map(|member| member.group.status()).collect()
    }

    /// How every group stands, in the order in which they were added. No I/O.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupStatus> {
        let members = self.members();
        let groups = members.iter().map(|Member { group, required }| GroupStatus {
            name: group.name().to_owned(),
            system: group.system(),
            required: *required,
            state: group.state(),
            members: group.status(),
            standing: group.standing(),
        });
        groups.collect()
    }

    /// Whether every required group is ready. No I/O.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.members().iter().all(|member| !member.required || member.group.state() == State::Ready)
    }

    /// Pings every group now, all at once: a frozen one delays nobody else's reading, and the whole
    /// takes as long as the longest [`health_timeout`](qa_resource_core::Settings::health_timeout)
    /// asks. The cached readings are in [`status`](Self::status).
    ///
    /// # Cancel safety
    /// The pings are made all the same.
    pub async fn health(&self) -> Vec<(String, Reading)> {
        let readings = self.members().into_iter().map(|member| async move {
            (member.group.name().to_owned(), member.group.check_now().await)
        });
        join_all(readings).await
    }

    /// Asks every server about itself, all at once, in the order of [`status`](Self::status): the
    /// version, and what its clock shows. Each is bounded by its
    /// [`health_timeout`](qa_resource_core::Settings::health_timeout).
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn about(&self) -> Vec<Result<About>> {
        let asked =
            self.members().into_iter().map(|member| async move { member.group.about().await });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Follows the state changes of every member from now on, those that are added later included: one
    /// stream, in the order in which they happened. It ends when the pool is closed.
    ///
    /// ```no_run
    /// # async fn example(pool: qa_pool::ResourcePool) {
    /// let mut events = pool.events();
    /// tokio::spawn(async move {
    ///     while let Some(change) = events.next().await {
    ///         println!("{} is {} after {:?}", change.resource, change.to, change.in_previous);
    ///     }
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> Events {
        self.bus().subscribe()
    }

    /// The bus of all members; one without a future where the pool is closed.
    fn bus(&self) -> EventBus {
        self.0.bus.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// Fires when the pool begins to close: loops of the application end then.
    #[must_use]
    pub fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// The application's tasks that a close waits for: spawn on it what must finish.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Shuts everything down within `limit`: quiesces all, drains all, closes one after the other,
    /// the last added first. What does not end in time is forced and named in the report.
    ///
    /// Idempotent: later calls give the same report, and one with a shorter limit hurries the
    /// first.
    ///
    /// # Cancel safety
    /// The shutdown goes on where this is dropped.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, which the shutdown's task needs.
    pub async fn close(&self, limit: Duration) -> ShutdownReport {
        let mut report = self.begin_close(limit);
        match report.wait_for(Option::is_some).await {
            Ok(report) => report.clone().unwrap_or_default(),
            // The runtime was shut down under it.
            Err(_) => ShutdownReport::default(),
        }
    }

    /// Sets the close in motion, or hurries the one that is under way; gives where its report will be.
    pub(crate) fn begin_close(&self, limit: Duration) -> watch::Receiver<Option<ShutdownReport>> {
        let (shutdown, report) = self.0.shutdown.get_or_init(|| self.begin(limit)).clone();
        shutdown.hurry(limit);
        report
    }

    fn begin(&self, limit: Duration) -> (Arc<Shutdown>, watch::Receiver<Option<ShutdownReport>>) {
        let shutdown = Arc::new(Shutdown::within(limit));
        let (sender, receiver) = watch::channel(None);
        let (pool, running) = (self.clone(), Arc::clone(&shutdown));
        // Before the list is read: nothing is added any more.
        self.0.closing.cancel();
        tokio::spawn(async move {
            let groups: Vec<_> = pool.members().into_iter().map(|member| member.group).collect();
            let report = running.run(&groups, &pool.0.tasks, &pool.0.closing).await;
            tracing::info!(took = ?report.took, clean = report.is_clean(), "the pool is closed");
            // Each member has told its last change.
            drop(pool.0.bus.lock().unwrap_or_else(PoisonError::into_inner).take());
            sender.send_replace(Some(report));
        });
        (shutdown, receiver)
    }

    /// What it was made from. Not to be held over an await.
    pub(crate) fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group of this name, whatever its backend.
    pub(crate) fn managed(&self, name: &str) -> Option<Arc<dyn Managed>> {
        let member = self.members().into_iter().find(|member| member.group.name() == name);
        member.map(|member| member.group)
    }

    /// Says whether the pool can do without a group.
    pub(crate) fn set_required(&self, name: &str, required: bool) {
        let mut members = self.0.members.write().unwrap_or_else(PoisonError::into_inner);
        for member in members.iter_mut().filter(|member| member.group.name() == name) {
            member.required = required;
        }
    }

    fn members(&self) -> Vec<Member> {
        self.0.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for ResourcePool {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ResourcePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = self.members();
        let members =
            members.iter().map(|member| (member.group.name().to_owned(), member.group.state()));
        f.debug_map().entries(members).finish()
    }
}

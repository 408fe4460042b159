//! Waiting until a member of a group of several can give a lease.

use super::balance::Excluded;
use super::many::{Given, Many};
use super::member::Entry;
use super::tending;
use crate::admission::Place;
use crate::run::Site;
use crate::{Backend, Error, ErrorKind, Resource, Result, State};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

impl<B: Backend> Many<B> {
    /// Connects every member, and waits until one is ready or none can be.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<()> {
        let limit = self.of_members().connect_deadline;
        self.until(limit, || (self.state() == State::Ready).then_some(())).await
    }

    /// A lease, as soon as a member is ready.
    pub(super) async fn acquire(self: &Arc<Self>, tried: Excluded, site: Site) -> Result<Given<B>> {
        match self.take_tended(tried, site) {
            Some(given) => Ok(given),
            None => self.wait(tried, site, self.of_members().acquire_timeout).await,
        }
    }

    async fn wait(
        self: &Arc<Self>,
        tried: Excluded,
        site: Site,
        limit: Duration,
    ) -> Result<Given<B>> {
        self.until(limit, || self.take(tried, site)).await
    }

    /// A lease and, where there is a bound, a place for an operation that ends at `deadline`. Where its
    /// member is lost while it waits in line there, it goes to another.
    pub(super) async fn admit(
        self: &Arc<Self>,
        tried: Excluded,
        site: Site,
        deadline: Instant,
    ) -> Result<(Given<B>, Option<Place>, bool)> {
        let _ = self.tend();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = self.of_members().acquire_timeout.min(left);
            let (entry, _, seat) = match self.pick(tried) {
                Some(picked) => picked,
                None => self.until(limit, || self.pick(tried)).await?,
            };
            let probe = seat.is_probe();
            let shared = entry.resource.shared();
            let admitted = tokio::select! {
                biased;
                admitted = entry.resource.admit(site, deadline) => admitted?,
                () = shared.left(State::Ready) => continue,
            };
            let (lease, place) = admitted;
            return Ok(((lease.seated(seat), entry), place, probe));
        }
    }

    pub(super) fn take_tended(self: &Arc<Self>, tried: Excluded, site: Site) -> Option<Given<B>> {
        let _ = self.tend();
        self.take(tried, site)
    }

    /// Sees to it that somebody tends the group.
    pub(super) fn tend(self: &Arc<Self>) -> Result<()> {
        if self.tending.get().is_some() {
            return Ok(());
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            Error::config(
                Arc::clone(&self.board.name),
                "there is no Tokio runtime here; call this inside one",
            )
        })?;
        self.tending.get_or_init(|| tending::spawn(self, &runtime));
        Ok(())
    }

    /// Waits until `take` has something, at most `limit`; connects the members that are not.
    async fn until<T>(
        self: &Arc<Self>,
        limit: Duration,
        take: impl Fn() -> Option<T>,
    ) -> Result<T> {
        let began = Instant::now();
        let mut changes = self.board.changes();
        self.start()?;
        loop {
            if let Some(taken) = take() {
                return Ok(taken);
            }
            match self.state() {
                State::Draining | State::Closed => return Err(self.closed_error()),
                State::Idle => return Err(self.gave_up()),
                _ => {}
            }
            if timeout_at(began + limit, changes.recv()).await.is_err() {
                return Err(self.not_in_time(limit));
            }
        }
    }

    /// Connects every member that is idle.
    fn start(self: &Arc<Self>) -> Result<()> {
        self.tend()?;
        let members = self.members.load_full();
        members.iter().try_for_each(|entry| match entry.resource.state() {
            State::Idle => entry.resource.start(),
            _ => Ok(()),
        })
    }

    fn gave_up(&self) -> Error {
        let members = self.members.load();
        let first = members.first().and_then(|entry| entry.resource.status().last_error);
        let kind = first.map_or(ErrorKind::Connect, |error| error.kind());
        let message = format!("no member could be connected: {}", why(&members));
        Error::new(kind, Arc::clone(&self.board.name), message)
    }

    fn not_in_time(&self, limit: Duration) -> Error {
        let members = self.members.load();
        let message = format!("no member is ready within {limit:?}: {}", why(&members));
        Error::new(ErrorKind::Timeout, Arc::clone(&self.board.name), message)
    }

    /// Why there is no lease now.
    pub(super) fn not_now(&self) -> Error {
        match self.state() {
            State::Draining | State::Closed => self.closed_error(),
            _ => {
                let members = self.members.load();
                let message = format!("no member is ready: {}", why(&members));
                Error::new(ErrorKind::Connect, Arc::clone(&self.board.name), message)
            }
        }
    }
}

/// Why each member is not ready.
fn why<B: Backend>(members: &[Arc<Entry<B>>]) -> String {
    let of = |entry: &Arc<Entry<B>>| Resource::why_not_ready(&entry.resource);
    members.iter().map(of).collect::<Vec<_>>().join("; ")
}

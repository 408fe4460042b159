//! The right to use a live client.

use crate::gate::Ticket;
use crate::group::{Seat, Verdict};
use crate::live::Share;
use crate::shared::Shared;
use crate::snapshot::Phase;
use crate::{Backend, ErrorKind, State};
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The right to use a resource's live client, given back when it is dropped.
///
/// Derefs to the client, which may be cloned; a closing resource waits for leases, not for clones,
/// so keep the lease for as long as the client is used. One that is held past
/// [`leak_threshold`](crate::Settings::leak_threshold) is reported once, with the place where it was
/// acquired.
#[must_use = "a lease is given back as soon as it is dropped"]
pub struct Lease<B: Backend> {
    live: Share<B>,
    ticket: Ticket,
    site: &'static Location<'static>,
    /// Where a group of several gave it.
    seat: Option<Seat>,
    /// When the operation that it was given to has to be over.
    deadline: Option<Instant>,
}

impl<B: Backend> Lease<B> {
    /// Takes a lease if the resource is ready; else says in what state it is.
    ///
    /// The lease is counted *before* the snapshot is read: from then on a drain waits for it,
    /// whatever the snapshot says.
    pub(crate) fn take(
        shared: &Shared<B>,
        site: &'static Location<'static>,
    ) -> Result<Self, State> {
        let Some(ticket) = shared.gate.enter(site) else {
            // The gate is shut a moment before the state says so.
            return Err(shared.state().max(State::Draining));
        };
        let snapshot = shared.snapshot.load();
        let Phase::Ready(live) = &snapshot.phase else {
            shared.gate.leave(ticket);
            return Err(snapshot.state());
        };
        shared.gate.count(ticket);
        let live = Arc::clone(live.own());
        Ok(Self { live, ticket, site, seat: None, deadline: None })
    }

    /// The same lease, as one that a group of several gave.
    pub(crate) fn seated(mut self, seat: Seat) -> Self {
        self.seat = Some(seat);
        self
    }

    /// The same lease, as that of an operation which ends at `deadline`.
    pub(crate) fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The name of the resource whose it is: in a group of several, that of the member.
    #[must_use]
    pub fn resource(&self) -> &Arc<str> {
        &self.live.shared.name
    }

    /// The server's `host:port/namespace`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.live.shared.backend.address()
    }

    /// The connection's number: 1 for the first, and one more with each reconnect.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.live.generation
    }

    /// Where it was acquired.
    #[must_use]
    pub fn acquired_at(&self) -> &'static Location<'static> {
        self.site
    }

    /// How long it has been held, to within a quarter of a second.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.live.shared.gate.age(self.ticket))
    }

    /// How long what is done with it may take: what is left of
    /// [`operation_timeout`](crate::Settings::operation_timeout) to the operation of
    /// [`run`](crate::Resource::run) that it was given to, and all of it where it was acquired. To tell
    /// the server, where it takes a limit.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        match self.deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => self.live.shared.settings().operation_timeout,
        }
    }

    /// The same lease, held for long on purpose (by a consumer, say): it is never reported as
    /// leaked, and a close waits for it all the same.
    pub fn long_lived(self) -> Self {
        self.live.shared.gate.excuse(self.ticket);
        self
    }

    /// Resolves when the resource has left this connection: it was lost, or is closing.
    ///
    /// # Cancel safety
    /// Nothing is lost where this is dropped.
    pub async fn lost(&self) {
        self.live.gone.fired().await;
    }

    /// Whether the resource has left this connection.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.live.gone.is_fired()
    }

    /// Tells the supervisor of an operation that failed with this lease, as
    /// [`Resource::run`](crate::Resource::run) does by itself: where the error speaks of the
    /// connection, the connection is checked at once. A group of several leaves a member out that is
    /// told of too often.
    pub fn report(&self, error: &B::Error) {
        self.failed(B::classify(error).kind);
    }

    /// Tells that an operation with this lease had no answer in time; see [`report`](Self::report).
    pub fn report_timeout(&self) {
        self.failed(ErrorKind::Timeout);
    }

    /// Tells that an operation with this lease succeeded: what a group of several knows of its member's
    /// failures is forgotten.
    pub fn report_success(&self) {
        if let Some(seat) = &self.seat {
            seat.judge(Verdict::Good);
        }
    }

    fn failed(&self, kind: ErrorKind) {
        let shared = &self.live.shared;
        shared.counters.errors.fetch_add(1, Ordering::Relaxed);
        if kind.is_transient() {
            shared.check.notify_one();
        }
        // What fails on a connection that was lost says nothing new.
        if let (Some(seat), Some(verdict), false) =
            (&self.seat, Verdict::of(Some(kind)), self.is_lost())
        {
            seat.judge(verdict);
        }
    }
}

impl<B: Backend> Deref for Lease<B> {
    type Target = B::Client;

    fn deref(&self) -> &B::Client {
        &self.live.client
    }
}

impl<B: Backend> Drop for Lease<B> {
    fn drop(&mut self) {
        self.live.shared.gate.leave(self.ticket);
    }
}

impl<B: Backend> std::fmt::Debug for Lease<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { live, site, .. } = self;
        f.debug_struct("Lease")
            .field("resource", &live.shared.name)
            .field("generation", &live.generation)
            .field("acquired_at", &format_args!("{site}"))
            .finish_non_exhaustive()
    }
}

//! The line in which operations wait where a server is to work on so many at once and no more.

use crate::live::Live;
use crate::{Backend, Error, ErrorKind, Lease, Resource, Result};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// An operation's place among those under way on one connection.
pub(crate) type Place = OwnedSemaphorePermit;

/// The places of one connection. A fresh connection has fresh ones: an operation that hangs on a
/// lost one keeps nobody waiting.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    count: u32,
}

impl Places {
    pub(crate) fn new(count: u32) -> Self {
        let count = count.max(1);
        let most = usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(most)), count }
    }

    /// A place that is free now.
    fn take(&self) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }
}

impl<B: Backend> Resource<B> {
    /// A lease for an operation that ends at `deadline`, and its place where there is a bound.
    pub(crate) async fn admit(
        &self,
        site: &'static Location<'static>,
        deadline: Instant,
    ) -> Result<(Lease<B>, Option<Place>)> {
        let shared = self.shared();
        if shared.max_in_flight().is_some() {
            return self.line_up(site, deadline).await;
        }
        if let Ok(lease) = Lease::take(shared, site) {
            return Ok((lease, None));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = shared.settings().acquire_timeout.min(left);
        Ok((self.wait_for_lease(site, limit).await?, None))
    }

    /// Waits for a connection, for a place on it, and only then takes the lease: a drain waits for
    /// what has begun, and what waits in line is no operation yet.
    async fn line_up(
        &self,
        site: &'static Location<'static>,
        deadline: Instant,
    ) -> Result<(Lease<B>, Option<Place>)> {
        let shared = self.shared();
        let began = Instant::now();
        let limit = deadline.min(began + shared.settings().acquire_timeout);
        // One wait, whatever it is for and however often the connection changes meanwhile.
        let mut waiting = None;
        let wait = || shared.meter.waiting();
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let live = if let Ok(live) = shared.live() {
                live
            } else {
                waiting.get_or_insert_with(wait);
                self.until(left, || shared.live()).await?
            };
            // One that is older than the bound, which was set while it was there, has none.
            let place = if let Some(places) = &live.places {
                let place = if let Some(place) = places.take() {
                    Some(place)
                } else {
                    waiting.get_or_insert_with(wait);
                    self.place_on(&live, places, began, limit).await?
                };
                if place.is_none() {
                    continue;
                }
                place
            } else {
                None
            };
            match Lease::take(shared, site) {
                Ok(lease) if lease.generation() == live.generation => {
                    return Ok((lease, place));
                }
                _ => {}
            }
        }
    }

    /// Waits in line for a place on this connection; `None` where the resource has left it meanwhile.
    async fn place_on(
        &self,
        live: &Live<B>,
        places: &Places,
        began: Instant,
        limit: Instant,
    ) -> Result<Option<Place>> {
        let place = tokio::select! {
            biased;
            () = live.gone.fired() => return Ok(None),
            place = timeout_at(limit, Arc::clone(&places.free).acquire_owned()) => place,
        };
        let Ok(place) = place else {
            self.shared().meter.wait_timed_out();
            return Err(self.no_place(places.count, began.elapsed()));
        };
        // They are never closed.
        Ok(place.ok())
    }

    fn no_place(&self, count: u32, waited: Duration) -> Error {
        let server = self.shared().server();
        self.shared().error(
            ErrorKind::Overloaded,
            format!(
                "no place on {server} within {waited:.1?}: `max_in_flight` is {count}, and as many operations are under way; raise it where the server can do more at once"
            ),
        )
    }
}

//! The line in which operations wait where a server is to work on so many at once and no more.

use crate::{Backend, Error, ErrorKind, Lease, Resource, Result};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// An operation's place among those under way on one connection; `None` where there is no bound.
pub(crate) type Place = Option<OwnedSemaphorePermit>;

/// The places of one connection. A fresh connection has fresh ones: an operation that hangs on a
/// lost one keeps nobody waiting.
#[derive(Clone)]
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
}

impl<B: Backend> Resource<B> {
    /// A lease for an operation that ends at `deadline`, and its place.
    pub(crate) async fn admit(
        &self,
        site: &'static Location<'static>,
        deadline: Instant,
    ) -> Result<(Lease<B>, Place)> {
        if let Ok(lease) = Lease::take(self.shared(), site)
            && lease.places().is_none()
        {
            return Ok((lease, None));
        }
        self.line_up(site, deadline).await
    }

    /// Waits for a connection, and for a place on it. Who waits in line holds no lease: a drain
    /// waits for what has begun.
    async fn line_up(
        &self,
        site: &'static Location<'static>,
        deadline: Instant,
    ) -> Result<(Lease<B>, Place)> {
        let shared = self.shared();
        let began = Instant::now();
        let limit = deadline.min(began + shared.settings.acquire_timeout);
        loop {
            let lease = if let Ok(lease) = Lease::take(shared, site) {
                lease
            } else {
                let left = limit.saturating_duration_since(Instant::now());
                self.wait_for_lease(site, left).await?
            };
            let Some(places) = lease.places() else { return Ok((lease, None)) };
            if let Ok(place) = Arc::clone(&places.free).try_acquire_owned() {
                return Ok((lease, Some(place)));
            }
            let (places, gone, generation) =
                (places.clone(), lease.gone().clone(), lease.generation());
            drop(lease);
            let place = tokio::select! {
                biased;
                // Lost, or closing: a wait for the next connection says which.
                () = gone.cancelled() => continue,
                place = timeout_at(limit, places.free.acquire_owned()) => place,
            };
            shared.meter.waited(began.elapsed());
            let Ok(place) = place else {
                shared.meter.wait_timed_out();
                return Err(self.no_place(places.count, began.elapsed()));
            };
            match Lease::take(shared, site) {
                Ok(lease) if lease.generation() == generation => return Ok((lease, place.ok())),
                _ => {}
            }
        }
    }

    fn no_place(&self, count: u32, waited: Duration) -> Error {
        let server = self.shared().server();
        self.shared().error(
            ErrorKind::Overloaded,
            format!(
                "no place on {server} within {waited:.1?}: {count} operations are under way; raise `max_in_flight` where the server can do more at once"
            ),
        )
    }
}

//! Running an operation on a lease: bounded, counted, and tried again where that is safe.

use crate::{Backend, Error, ErrorKind, Lease, Outcome, Resource, Result};
use crate::{Backoff, shared::Shared, spans};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

/// Which failed operations are tried again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Those that certainly had no effect.
    IfNotApplied,
    /// Those that may have had one, too: doing it twice does no harm.
    IfTransient,
}

impl<B: Backend> Resource<B> {
    /// Runs `op` with a lease, within [`operation_timeout`](crate::Settings::operation_timeout) all
    /// told: the wait for the lease, every attempt and the delays between them. Where
    /// [`max_in_flight`](crate::Settings::max_in_flight) operations are under way it waits in line.
    ///
    /// It is tried again, at most [`retry_attempts`](crate::Settings::retry_attempts) times in all
    /// and while the retry budget lasts, where the error is transient and the operation was
    /// certainly not applied. A failure that speaks of the connection has it checked at once.
    ///
    /// # Errors
    /// What [`acquire`](Resource::acquire) gives; `Overloaded` where the line did not move within
    /// [`acquire_timeout`](crate::Settings::acquire_timeout); the driver's error as the source of
    /// ours, with its kind and outcome; `Timeout` with outcome `Unknown` where the limit ran out
    /// inside `op`. Errors are marked as spent: don't retry them.
    ///
    /// # Cancel safety
    /// Dropping this drops `op` where it is; what it had sent may still be applied.
    #[track_caller]
    pub fn run<T, F, Fut>(&self, op: F) -> impl Future<Output = Result<T>> + Send
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        attempts(self, op, Again::IfNotApplied, Location::caller())
    }

    /// As [`run`](Self::run), for an operation that may be done twice without harm: it is tried
    /// again also where its outcome is unknown.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn run_idempotent<T, F, Fut>(&self, op: F) -> impl Future<Output = Result<T>> + Send
    where
        F: FnMut(Lease<B>) -> Fut + Send,
        Fut: Future<Output = Result<T, B::Error>> + Send,
        T: Send,
    {
        attempts(self, op, Again::IfTransient, Location::caller())
    }
}

async fn attempts<B, T, F, Fut>(
    resource: &Resource<B>,
    mut op: F,
    again: Again,
    site: &'static Location<'static>,
) -> Result<T>
where
    B: Backend,
    F: FnMut(Lease<B>) -> Fut,
    Fut: Future<Output = Result<T, B::Error>>,
{
    let shared = resource.shared();
    let settings = &shared.settings;
    let deadline = Instant::now() + settings.operation_timeout;
    let backoff = Backoff::new(settings.backoff_floor, settings.backoff_cap);
    let (mut delay, mut attempt) = (None, 0);
    loop {
        attempt += 1;
        let (lease, place) = resource.admit(site, deadline).await.map_err(Error::spent)?;
        let error =
            match once(shared, op(lease).instrument(spans::operation(shared, attempt)), deadline)
                .await
            {
                Ok(done) => {
                    shared.budget.deposit();
                    return Ok(done);
                }
                Err(error) => error,
            };
        drop(place);
        let next = backoff.next(delay, fastrand::f64());
        delay = Some(next);
        let worth_it = error.kind().is_transient()
            && (again == Again::IfTransient || error.outcome() == Outcome::NotApplied);
        let in_time = Instant::now() + next < deadline && attempt < settings.retry_attempts;
        if !(worth_it && in_time && shared.budget.withdraw()) {
            return Err(error.spent());
        }
        shared.counters.retries.fetch_add(1, Ordering::Relaxed);
        shared.meter.retried();
        sleep(next).await;
    }
}

/// One attempt, measured.
async fn once<B: Backend, T>(
    shared: &Arc<Shared<B>>,
    work: impl Future<Output = Result<T, B::Error>>,
    deadline: Instant,
) -> Result<T> {
    let began = Instant::now();
    let result = match timeout_at(deadline, work).await {
        Ok(result) => result.map_err(|error| shared.driver_error("an operation failed on", error)),
        Err(_) => Err(shared
            .error(
                ErrorKind::Timeout,
                format!(
                    "an operation on {} did not end within {:.1?}",
                    shared.server(),
                    began.elapsed()
                ),
            )
            .with_outcome(Outcome::Unknown)),
    };
    shared.meter.operation(began.elapsed(), result.as_ref().err().map(Error::kind));
    if let Err(error) = &result {
        shared.counters.errors.fetch_add(1, Ordering::Relaxed);
        if error.kind().is_transient() {
            shared.check.notify_one();
        }
    }
    result
}

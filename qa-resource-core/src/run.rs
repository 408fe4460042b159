//! Running an operation on a lease: bounded, counted, and tried again where that is safe.

use crate::admission::Place;
use crate::group::Excluded;
use crate::{Backend, Error, ErrorKind, Lease, Outcome, Resource, Result, Settings};
use crate::{Backoff, shared::Shared, spans};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

/// Where a lease is acquired.
pub(crate) type Site = &'static Location<'static>;

/// Which failed operations are tried again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
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

/// What an operation goes by, from its beginning to its end.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    time: Duration,
    attempts: u32,
    backoff: Backoff,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        Self {
            time: settings.operation_timeout,
            attempts: settings.retry_attempts,
            backoff: Backoff::new(settings.backoff_floor, settings.backoff_cap),
        }
    }
}

/// Where an attempt's lease comes from: a resource, or a group of several.
pub(crate) trait Source<B: Backend>: Sync {
    /// The one that gave it.
    type Member: Send + Sync;

    fn limits(&self) -> Limits;

    /// A lease for one attempt, of none of `tried` where there is another.
    fn admit(
        &self,
        tried: Excluded,
        site: Site,
        deadline: Instant,
    ) -> impl Future<Output = Result<Admitted<B, Self::Member>>> + Send;

    fn shared<'a>(&'a self, member: &'a Self::Member) -> &'a Arc<Shared<B>>;

    /// Tells how the attempt ended; where it failed, gives whether somebody else could be asked.
    fn judge(&self, tried: &mut Excluded, member: &Self::Member, end: End) -> bool;
}

/// What an attempt begins with.
pub(crate) struct Admitted<B: Backend, M> {
    pub(crate) lease: Lease<B>,
    pub(crate) place: Option<Place>,
    pub(crate) member: M,
    /// What is to be told of it at its end.
    pub(crate) mark: Mark,
}

/// What a group of several has to know of an attempt when it ends.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mark {
    /// The number of its connection.
    pub(crate) generation: u64,
    /// Whether it finds out if its member is well again.
    pub(crate) probe: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) error: Option<ErrorKind>,
    pub(crate) mark: Mark,
}

impl<B: Backend> Source<B> for Resource<B> {
    type Member = ();

    fn limits(&self) -> Limits {
        Limits::from(&**Self::shared(self).settings())
    }

    async fn admit(&self, _: Excluded, site: Site, deadline: Instant) -> Result<Admitted<B, ()>> {
        let (lease, place) = Self::admit(self, site, deadline).await?;
        Ok(Admitted { lease, place, member: (), mark: Mark::default() })
    }

    fn shared<'a>(&'a self, (): &'a ()) -> &'a Arc<Shared<B>> {
        Self::shared(self)
    }

    fn judge(&self, _: &mut Excluded, (): &(), _: End) -> bool {
        false
    }
}

pub(crate) async fn attempts<B, S, T, F, Fut>(
    source: &S,
    mut op: F,
    again: Again,
    site: Site,
) -> Result<T>
where
    B: Backend,
    S: Source<B>,
    F: FnMut(Lease<B>) -> Fut,
    Fut: Future<Output = Result<T, B::Error>> + Send,
    T: Send,
{
    let limits = source.limits();
    let deadline = Instant::now() + limits.time;
    let (mut delay, mut attempt, mut tried) = (None, 0, Excluded::default());
    loop {
        attempt += 1;
        let admitted = source.admit(tried, site, deadline).await.map_err(Error::spent)?;
        let Admitted { lease, place, member, mark } = admitted;
        let shared = source.shared(&member);
        let span = spans::operation(shared, attempt);
        let result = {
            // Pinned where it is made: what passes it on moves a reference, and not all that it holds.
            let work = pin!(op(lease.until(deadline)).instrument(span.clone()));
            once(shared, work, deadline).await
        };
        drop(place);
        let end = End { error: result.as_ref().err().map(Error::kind), mark };
        let other = source.judge(&mut tried, &member, end);
        let error = match result {
            Ok(done) => {
                shared.budget.deposit();
                return Ok(done);
            }
            Err(error) => error,
        };
        spans::failed(&span, &error);
        drop(span);
        // Another member needs no pause.
        let next = if other { Duration::ZERO } else { limits.backoff.next(delay, fastrand::f64()) };
        delay = if other { delay } else { Some(next) };
        let worth_it = error.kind().is_transient()
            && (again == Again::IfTransient || error.outcome() == Outcome::NotApplied);
        let in_time = Instant::now() + next < deadline && attempt < limits.attempts;
        if !(worth_it && in_time && shared.budget.withdraw()) {
            return Err(error.spent());
        }
        shared.counters.retries.fetch_add(1, Ordering::Relaxed);
        shared.meter.retried();
        sleep(next).await;
    }
}

/// One attempt, measured.
async fn once<B: Backend, T: Send>(
    shared: &Arc<Shared<B>>,
    work: impl Future<Output = Result<T, B::Error>> + Send,
    deadline: Instant,
) -> Result<T> {
    let began = Instant::now();
    let result = match timeout_at(deadline, shared.backend.observed(work)).await {
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

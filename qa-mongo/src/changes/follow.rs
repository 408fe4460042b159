//! Reading changes, and going on where it was left.

use super::Bookmark;
use crate::documents::until_left;
use crate::limit::within;
use crate::{MongoDb, classify};
use mongodb::Client;
use mongodb::change_stream::ChangeStream;
use mongodb::change_stream::event::{ChangeStreamEvent, ResumeToken};
use mongodb::error::{Error, Result};
use qa_resource_core::{Backoff, ErrorKind, Group, Lease};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What the driver calls a stream of changes.
type Changes<T> = ChangeStream<ChangeStreamEvent<T>>;

/// Pauses between two attempts to go on.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Where nothing changes, the place is stored so often all the same: the server forgets old ones.
const IDLE: Duration = Duration::from_secs(10);

/// Why there are no more changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The resource, or its pool, is closing.
    Closing,
    /// What was watched is gone: the collection was dropped or renamed.
    Invalidated,
}

/// Why changes are not followed any more.
#[derive(Debug, thiserror::Error)]
pub enum FollowError<E> {
    /// Trying again would not help: no replica set, no right to watch, or a place that the server has
    /// forgotten (`ChangeStreamHistoryLost`), after which all of the data is to be read anew.
    #[error("the changes can't be followed: {0}")]
    Stream(#[source] Error),
    /// The handler failed. The change is not bookmarked: it comes again where it is followed again.
    #[error("a change was not handled")]
    Handler(#[source] E),
}

/// Hands each change to `handle`, in order, and bookmarks it once that has succeeded: every change
/// is handled at least once, and again only where the program ended, or the bookmark could not be
/// stored, in between. The first time it begins with what changes from then on.
///
/// `watch` opens the driver's stream, with whatever pipeline and options, after the place that it is
/// given. `limit` bounds that, and each of the stream's requests: give more than the stream's
/// `max_await_time` (the server's is a second). When the stream fails, the resource is lost, or the
/// bookmark can't be stored, it is opened again after the bookmark, after growing pauses up to 5 s.
///
/// It holds a lease while it waits for changes, and ends by itself when the resource is closing, once
/// the handler is through.
///
/// ```no_run
/// use qa_mongo::mongodb::bson::Document;
/// use qa_mongo::{MongoDb, StoredBookmark, follow};
/// use std::time::Duration;
///
/// # async fn example(orders: qa_mongo::Resource<MongoDb>) -> Result<(), Box<dyn std::error::Error>> {
/// let bookmark = StoredBookmark::new(orders.clone(), "bookmarks", "risk");
/// let ended = follow(
///     orders.clone(),
///     &bookmark,
///     Duration::from_secs(5),
///     async |client, after| {
///         let orders = MongoDb::database(&client).collection::<Document>("orders");
///         orders.watch().resume_after(after).await
///     },
///     async |change| {
///         println!("{:?}", change.full_document);
///         Ok::<_, std::io::Error>(())
///     },
/// )
/// .await?;
/// println!("{ended:?}");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`FollowError`]: only what trying again can't mend.
///
/// # Cancel safety
/// Where it is dropped in the middle of a handler, that change comes again.
pub async fn follow<T, E, Opened, Handled>(
    group: impl Into<Group<MongoDb>>,
    bookmark: &impl Bookmark,
    limit: Duration,
    watch: impl Fn(Client, Option<ResumeToken>) -> Opened,
    mut handle: impl FnMut(ChangeStreamEvent<T>) -> Handled,
) -> std::result::Result<Ended, FollowError<E>>
where
    T: DeserializeOwned + Unpin + Send + Sync + 'static,
    Opened: Future<Output = Result<Changes<T>>>,
    Handled: Future<Output = std::result::Result<(), E>>,
{
    let group = group.into();
    let backoff = Backoff::new(PAUSES.0, PAUSES.1);
    let mut pause = None;
    loop {
        let mut session = Session { bookmark, limit, handled: false };
        let failure = tokio::select! {
            biased;
            () = group.quiescing().cancelled() => return Ok(Ended::Closing),
            lease = group.acquire() => match lease {
                Ok(lease) => match Box::pin(session.follow(&group, lease, &watch, &mut handle)).await {
                    Ok(ended) => return Ok(ended),
                    Err(Interruption::Handler(error)) => return Err(FollowError::Handler(error)),
                    Err(Interruption::Final(error)) => return Err(FollowError::Stream(error)),
                    Err(Interruption::Passing(why)) => why,
                },
                Err(error) if error.kind() == ErrorKind::Closed => return Ok(Ended::Closing),
                Err(error) => error.to_string(),
            },
        };
        if session.handled {
            pause = None;
        }
        tracing::warn!(
            resource = group.name(),
            cause = failure,
            "changes are not followed; trying again"
        );
        let next = backoff.next(pause, fastrand::f64());
        pause = Some(next);
        tokio::select! {
            biased;
            () = group.quiescing().cancelled() => return Ok(Ended::Closing),
            () = sleep(next) => {}
        }
    }
}

/// Why one stream of changes is not read any more.
enum Interruption<E> {
    Handler(E),
    /// Trying again would not help.
    Final(Error),
    Passing(String),
}

impl<E> Interruption<E> {
    fn of(lease: &Lease<MongoDb>, error: Error) -> Self {
        lease.report(&error);
        if lease.is_lost() || classify::classify(&error).kind.is_transient() {
            Self::Passing(error.to_string())
        } else {
            Self::Final(error)
        }
    }
}

/// The life of one stream of the driver's.
struct Session<'a, B> {
    bookmark: &'a B,
    limit: Duration,
    /// Whether it has got anywhere.
    handled: bool,
}

impl<B: Bookmark> Session<'_, B> {
    async fn follow<T, E, Opened, Handled>(
        &mut self,
        group: &Group<MongoDb>,
        lease: Lease<MongoDb>,
        watch: &impl Fn(Client, Option<ResumeToken>) -> Opened,
        handle: &mut impl FnMut(ChangeStreamEvent<T>) -> Handled,
    ) -> std::result::Result<Ended, Interruption<E>>
    where
        T: DeserializeOwned + Unpin + Send + Sync + 'static,
        Opened: Future<Output = Result<Changes<T>>>,
        Handled: Future<Output = std::result::Result<(), E>>,
    {
        let lease = lease.long_lived();
        let after = self.bookmark.load().await;
        let after = after.map_err(|error| Interruption::Passing(error.to_string()))?;
        let first = after.is_none();
        let opened = until_left(&lease, within(self.limit, watch(lease.clone(), after))).await;
        let mut changes = opened.map_err(|error| Interruption::of(&lease, error))?;
        if first {
            // Where the first change is not handled, it would not be found again without a place.
            self.store(changes.resume_token()).await?;
        }
        let mut stored = Instant::now();
        while changes.is_alive() {
            let next = until_left(&lease, within(self.limit, changes.next_if_any()));
            let next = tokio::select! {
                biased;
                () = group.quiescing().cancelled() => return Ok(Ended::Closing),
                next = next => next.map_err(|error| Interruption::of(&lease, error))?,
            };
            let idle = next.is_none();
            if let Some(change) = next {
                handle(change).await.map_err(Interruption::Handler)?;
                self.handled = true;
            }
            if !idle || stored.elapsed() >= IDLE {
                self.store(changes.resume_token()).await?;
                stored = Instant::now();
            }
        }
        Ok(Ended::Invalidated)
    }

    async fn store<E>(
        &self,
        place: Option<ResumeToken>,
    ) -> std::result::Result<(), Interruption<E>> {
        let Some(place) = place else { return Ok(()) };
        let stored = self.bookmark.store(&place).await;
        stored.map_err(|error| Interruption::Passing(error.to_string()))
    }
}

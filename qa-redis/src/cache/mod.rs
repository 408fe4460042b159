//! Values that are computed once and kept for a while.

mod entry;
mod flights;
mod settings;
mod store;
mod work;

pub use settings::CacheSettings;

use crate::Redis;
use crate::metrics::CacheMeter;
use entry::Entry;
use flights::Flights;
use qa_resource_core::{Error, ErrorKind, Group, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;
use store::{Found, Store};
use work::Work;

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError<E> {
    /// What was to compute it failed.
    #[error("the value could not be computed: {0}")]
    Compute(E),
    /// It can't be written as JSON, or what is kept is no JSON of the type that was asked for.
    #[error(transparent)]
    Json(Error),
}

/// Values as JSON that are computed when they are asked for, and kept for a while.
///
/// - In one process a value is computed once at a time, however many ask for it; over all processes
///   too where [`one_for_all`](CacheSettings::one_for_all) says so. Who computes it and gives up is
///   followed by the next who waits.
/// - What many ask for is computed again before its time is over, by one of them: see
///   [`early`](CacheSettings::early).
/// - That there is no value is kept too, for [`negative_ttl`](CacheSettings::negative_ttl).
/// - What was invalidated while it was being computed is not kept.
/// - While Redis can't be asked, values are computed and not kept; a log line says so.
///
/// ```no_run
/// # async fn example(resource: qa_resource_core::Resource<qa_redis::Redis>) -> Result<(), Box<dyn std::error::Error>> {
/// use qa_redis::{Cache, CacheSettings};
/// let cache = Cache::new(resource.clone(), "names", CacheSettings::default());
/// let name: Option<String> = cache
///     .tagged(&["stocks"])
///     .get_or_compute("600000", || look_up("600000"))
///     .await?;
/// cache.invalidate_tag("stocks").await?;
/// # async fn look_up(_: &str) -> Result<Option<String>, std::io::Error> { Ok(None) }
/// # Ok(())
/// # }
/// ```
pub struct Cache {
    store: Store,
    settings: CacheSettings,
    flights: Flights,
    meter: CacheMeter,
}

/// A [`Cache`], and the tags of what is computed.
#[derive(Clone, Debug)]
#[must_use]
pub struct Tagged<'a> {
    cache: &'a Cache,
    tags: Vec<String>,
}

impl Cache {
    /// A cache of this name; processes that give it the same name share it.
    pub fn new(group: impl Into<Group<Redis>>, name: &str, settings: CacheSettings) -> Self {
        let group = group.into();
        let meter = CacheMeter::new(group.name());
        Self { store: Store::new(group, name), settings, flights: Flights::default(), meter }
    }

    /// The value of a key; computed where there is none.
    ///
    /// # Errors
    /// [`CacheError::Compute`] where `compute` failed, which is not kept; [`CacheError::Json`].
    ///
    /// # Cancel safety
    /// Where this was the one that computes, the next who waits does.
    pub async fn get_or_compute<T, E, F>(
        &self,
        key: &str,
        compute: impl FnOnce() -> F,
    ) -> Result<Option<T>, CacheError<E>>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<Option<T>, E>>,
    {
        self.tagged(&[]).get_or_compute(key, compute).await
    }

    /// The same cache; what it computes by this has these tags.
    pub fn tagged(&self, tags: &[&str]) -> Tagged<'_> {
        Tagged { cache: self, tags: tags.iter().map(|tag| (*tag).to_owned()).collect() }
    }

    /// Forgets a value.
    ///
    /// # Errors
    /// As [`Resource::run`](qa_resource_core::Resource::run).
    ///
    /// # Cancel safety
    /// It may be forgotten or not.
    pub async fn invalidate(&self, key: &str) -> Result<()> {
        self.store.remove(key).await
    }

    /// Forgets every value with this tag; how many.
    ///
    /// # Errors
    /// As [`invalidate`](Self::invalidate); some may be forgotten then.
    ///
    /// # Cancel safety
    /// Some may be forgotten.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<u64> {
        self.store.remove_tag(tag).await
    }

    /// Forgets every value whose key begins so; how many. It looks through all of the database's keys, a
    /// thousand at a time: a tag is better where there are many.
    ///
    /// # Errors
    /// As [`invalidate_tag`](Self::invalidate_tag).
    ///
    /// # Cancel safety
    /// Some may be forgotten.
    pub async fn invalidate_prefix(&self, prefix: &str) -> Result<u64> {
        self.store.remove_prefix(prefix).await
    }

    /// What is kept under a key; `None` while Redis can't be asked.
    async fn find(&self, key: &str) -> Option<Found> {
        let found = self.store.find(key).await;
        found.inspect_err(|error| self.unreachable(error)).ok()
    }

    fn is_early(&self, entry: &Entry, left: Duration) -> bool {
        self.settings.is_early(entry.took, left, 1.0 - fastrand::f64())
    }

    fn read<T: DeserializeOwned, E>(
        &self,
        key: &str,
        entry: &Entry,
    ) -> Result<Option<T>, CacheError<E>> {
        let json = entry.value.as_deref();
        let value = json.map(serde_json::from_slice).transpose();
        value
            .map_err(|error| self.no_json(key, "is no JSON of the type that was asked for", &error))
    }

    fn no_json<E>(&self, key: &str, what: &str, error: &serde_json::Error) -> CacheError<E> {
        let text = format!("the cached value of {key} {what}: {error}");
        CacheError::Json(Error::new(ErrorKind::Operation, self.store.group.name(), text))
    }

    fn unreachable(&self, error: &Error) {
        let resource = self.store.group.name();
        tracing::debug!(%resource, %error, "the cache can't be asked; values are computed");
    }
}

impl Tagged<'_> {
    /// As [`Cache::get_or_compute`].
    ///
    /// # Errors
    /// As [`Cache::get_or_compute`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_or_compute`].
    pub async fn get_or_compute<T, E, F>(
        &self,
        key: &str,
        compute: impl FnOnce() -> F,
    ) -> Result<Option<T>, CacheError<E>>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<Option<T>, E>>,
    {
        let Self { cache, tags } = self;
        let found = cache.find(key).await;
        let kept = found.as_ref().and_then(Found::kept);
        if let Some((entry, left)) = kept
            && (!cache.is_early(entry, left) || cache.flights.is_under_way(key))
        {
            cache.meter.hit();
            return cache.read(key, entry);
        }
        cache.meter.miss();
        let work = Work {
            cache,
            key,
            tags,
            generation: found.as_ref().map(|found| found.generation),
            is_early: kept.is_some(),
        };
        let seat = cache.flights.join(key);
        // In a box: few callers come here, and it is large.
        let entry = Box::pin(seat.flight.get_or_try_init(|| work.run(compute))).await?;
        cache.read(key, entry)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

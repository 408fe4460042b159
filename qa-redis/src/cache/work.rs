//! A value that is to be computed: here, or by another process.

use super::entry::Entry;
use super::{Cache, CacheError};
use qa_resource_core::Result;
use serde::Serialize;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

/// Between two looks for a value that another process computes.
const POLL: Duration = Duration::from_millis(20);

/// A value that is to be computed.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) cache: &'a Cache,
    pub(super) key: &'a str,
    pub(super) tags: &'a [String],
    /// How often something had been invalidated before; `None` where Redis could not be asked, so that
    /// it's not kept.
    pub(super) generation: Option<u64>,
    /// There is a value whose time is not over.
    pub(super) is_early: bool,
}

/// Who computes it.
enum Turn<'a> {
    /// We do, and the others wait.
    Ours(Claim<'a>),
    /// Another did.
    There(Entry),
    /// We do, whatever others do.
    Anyone,
}

impl<'a> Work<'a> {
    pub(super) async fn run<T: Serialize, E, F>(
        self,
        compute: impl FnOnce() -> F,
    ) -> Result<Entry, CacheError<E>>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        let turn = match self.generation {
            Some(_) if self.cache.settings.one_for_all => self.turn().await,
            _ => Turn::Anyone,
        };
        match turn {
            Turn::There(entry) => Ok(entry),
            Turn::Anyone => self.compute(compute).await,
            Turn::Ours(claim) => {
                let entry = self.compute(compute).await;
                drop(claim);
                entry
            }
        }
    }

    /// Waits for our turn, for another's value, or for the time in which another should have it.
    async fn turn(self) -> Turn<'a> {
        let Self { cache, key, .. } = self;
        let limit = cache.settings.compute_limit;
        let give_up = Instant::now() + limit;
        let owner = fastrand::u64(1..);
        while Instant::now() < give_up {
            match cache.store.claim(key, owner, limit).await {
                Ok(false) => {}
                Ok(true) => {
                    let claim = Claim { cache, key, owner };
                    // It may have been computed just before; what is early is computed all the same.
                    let kept = if self.is_early { None } else { self.kept().await };
                    return kept.map_or(Turn::Ours(claim), Turn::There);
                }
                Err(error) => {
                    cache.unreachable(&error);
                    return Turn::Anyone;
                }
            }
            if let Some(entry) = self.kept().await {
                return Turn::There(entry);
            }
            sleep(POLL.mul_f64(0.5 + fastrand::f64())).await;
        }
        Turn::Anyone
    }

    async fn kept(self) -> Option<Entry> {
        self.cache.find(self.key).await?.entry
    }

    async fn compute<T: Serialize, E, F>(
        self,
        compute: impl FnOnce() -> F,
    ) -> Result<Entry, CacheError<E>>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        let Self { cache, key, .. } = self;
        let began = Instant::now();
        let value = compute().await.map_err(CacheError::Compute)?;
        let json = value.map(|value| serde_json::to_vec(&value)).transpose();
        let json = json.map_err(|error| cache.no_json(key, "can't be written as JSON", &error))?;
        let entry = Entry { took: began.elapsed(), value: json.map(Into::into) };
        self.keep(&entry).await;
        Ok(entry)
    }

    async fn keep(self, entry: &Entry) {
        let Self { cache, key, tags, generation, .. } = self;
        let time = cache.settings.keep(entry.value.is_some(), fastrand::f64());
        let (Some(generation), Some(time)) = (generation, time) else { return };
        if let Err(error) = cache.store.keep(key, tags, entry, time, generation).await {
            cache.unreachable(&error);
        }
    }
}

/// The note on the server that we compute it, taken away when this is dropped.
struct Claim<'a> {
    cache: &'a Cache,
    key: &'a str,
    owner: u64,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Without a runtime it ends with its time.
        let Ok(runtime) = Handle::try_current() else { return };
        let (store, key, owner) = (self.cache.store.clone(), self.key.to_owned(), self.owner);
        runtime.spawn(async move { store.unclaim(&key, owner).await });
    }
}

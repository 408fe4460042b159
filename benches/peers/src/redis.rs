//! Tasks that read and write one key, through whatever a peer lends them.

use crate::{Peer, count};
use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// What a caller gives each try, and for how long it tries: as ours does.
const TRY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// A client or a pool of them.
pub(crate) trait Key: Clone + Send + Sync + 'static {
    /// The value of `key`, if it has one.
    fn get(&self) -> impl Future<Output = Result<Option<String>>> + Send;

    /// Gives `key` its value.
    fn set(&self) -> impl Future<Output = Result<()>> + Send;
}

/// A peer of keys.
pub(crate) struct Keys<K>(pub(crate) K);

#[async_trait]
impl<K: Key> Peer for Keys<K> {
    async fn round(&mut self, words: &[&str]) -> Result<Vec<f64>> {
        let took = match words.first() {
            Some(&"get") => self.all(words, get).await?,
            Some(&"set") => self.all(words, set).await?,
            Some(&"until-answered") => self.until_answered().await?,
            _ => bail!("{words:?} is nothing to do"),
        };
        Ok(vec![took.as_secs_f64()])
    }
}

impl<K: Key> Keys<K> {
    /// So many tasks that start together, each so often.
    async fn all<F, Fut>(&self, words: &[&str], once: F) -> Result<Duration>
    where
        F: Fn(K) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let (tasks, each) = (count(words, 1)?, count(words, 2)?);
        let began = Instant::now();
        let task = |_| {
            let key = self.0.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    once(key.clone()).await?;
                }
                Ok(())
            })
        };
        let tasks: Vec<tokio::task::JoinHandle<Result<()>>> = (0..tasks).map(task).collect();
        for task in tasks {
            task.await??;
        }
        Ok(began.elapsed())
    }

    async fn until_answered(&self) -> Result<Duration> {
        let began = Instant::now();
        let asked = async {
            while !matches!(timeout(TRY, self.0.get()).await, Ok(Ok(_))) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, asked).await.context("no answer within a minute")?;
        Ok(began.elapsed())
    }
}

async fn get(key: impl Key) -> Result<()> {
    let value = key.get().await?;
    ensure!(value.as_deref() == Some("value"), "the key has another value");
    Ok(())
}

async fn set(key: impl Key) -> Result<()> {
    key.set().await
}

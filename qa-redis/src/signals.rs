//! The signals of strategies: the latest one for each code, for a while.

use crate::Redis;
use qa_resource_core::{Error, ErrorKind, Group, Result};
use redis::{AsyncCommands, Pipeline};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

/// The latest signal for each code, as JSON under `signal:{code}`, where it stays for 300 s: what
/// QUANTAXIS' strategies write and its gateways read.
///
/// ```no_run
/// # async fn example(resource: qa_resource_core::Resource<qa_redis::Redis>) -> Result<(), Box<dyn std::error::Error>> {
/// use qa_redis::Signals;
/// let signals = Signals::new(resource.clone());
/// signals.publish("600000", &"long").await?;
/// let signal: Option<String> = signals.get("600000").await?;
/// # Ok(())
/// # }
/// ```
pub struct Signals {
    group: Group<Redis>,
    prefix: String,
    ttl: Duration,
}

impl Signals {
    /// Under `signal:`, for 300 s.
    pub fn new(group: impl Into<Group<Redis>>) -> Self {
        let (prefix, ttl) = ("signal:".to_owned(), Duration::from_secs(300));
        Self { group: group.into(), prefix, ttl }
    }

    /// The same for another time; at least 1 ms.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.max(Duration::from_millis(1));
        self
    }

    /// The same under another prefix.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the signal of a code, for whoever asks until its time is over.
    ///
    /// # Errors
    /// As [`Resource::run`](qa_resource_core::Resource::run); `Operation` where it can't be written as
    /// JSON.
    ///
    /// # Cancel safety
    /// It may be set or not.
    pub async fn publish<T: Serialize + ?Sized>(&self, code: &str, signal: &T) -> Result<()> {
        self.publish_all([(code, signal)]).await
    }

    /// Sets many in one round trip.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// Some may be set.
    pub async fn publish_all<'a, T: Serialize + ?Sized + 'a>(
        &self,
        signals: impl IntoIterator<Item = (&'a str, &'a T)>,
    ) -> Result<()> {
        let ttl = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let mut pipeline = Pipeline::new();
        for (code, signal) in signals {
            let json = serde_json::to_vec(signal).map_err(|error| self.unwritable(code, &error))?;
            pipeline.pset_ex(self.key(code), json, ttl).ignore();
        }
        let pipeline = &pipeline;
        self.group
            .run_idempotent(|lease| async move { pipeline.query_async(&mut lease.clone()).await })
            .await
    }

    /// The signal of a code, if there is one.
    ///
    /// # Errors
    /// As [`Resource::run`](qa_resource_core::Resource::run); `Operation` where what is there is no
    /// JSON of a `T`.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn get<T: DeserializeOwned>(&self, code: &str) -> Result<Option<T>> {
        Ok(self.get_all(&[code]).await?.pop().flatten())
    }

    /// The signals of many codes in one round trip, in their order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn get_all<T: DeserializeOwned>(&self, codes: &[&str]) -> Result<Vec<Option<T>>> {
        if codes.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = codes.iter().map(|code| self.key(code)).collect();
        let keys = &keys;
        let found: Vec<Option<Vec<u8>>> = self
            .group
            .run_idempotent(|lease| async move { lease.clone().mget(keys).await })
            .await?;
        let read = |(code, json): (&&str, Option<Vec<u8>>)| {
            let signal = json.map(|json| serde_json::from_slice(&json)).transpose();
            signal.map_err(|error| self.unreadable(code, &error))
        };
        codes.iter().zip(found).map(read).collect()
    }

    fn key(&self, code: &str) -> String {
        format!("{}{code}", self.prefix)
    }

    fn unwritable(&self, code: &str, error: &serde_json::Error) -> Error {
        let text = format!("the signal of {code} can't be written as JSON: {error}");
        Error::new(ErrorKind::Operation, self.group.name(), text)
    }

    fn unreadable(&self, code: &str, error: &serde_json::Error) -> Error {
        let text =
            format!("the signal of {code} is no JSON of the type that was asked for: {error}");
        Error::new(ErrorKind::Operation, self.group.name(), text)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals")
            .field("resource", &self.group.name())
            .field("prefix", &self.prefix)
            .field("ttl", &self.ttl)
            .finish()
    }
}

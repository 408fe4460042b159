//! What a handler is given.

use redis::streams::StreamId;
use redis::{FromRedisValue, RedisResult, Value};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt;

/// An entry of a stream.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StreamEntry {
    /// Its id, which only grows: `milliseconds-number`.
    pub id: String,
    /// Its fields.
    pub fields: HashMap<String, Value>,
    /// How often it was given to somebody, this time included.
    pub deliveries: u64,
}

impl StreamEntry {
    /// For the first time, unless somebody knows better.
    pub(super) fn new(StreamId { id, map, .. }: StreamId) -> Self {
        Self { id, fields: map, deliveries: 1 }
    }

    /// A field, read as a `T`; `None` where there is none of that name.
    ///
    /// # Errors
    /// Where it is no `T`.
    pub fn get<T: FromRedisValue>(&self, field: &str) -> RedisResult<Option<T>> {
        let value = self.fields.get(field);
        Ok(value.map(|value| redis::from_redis_value(value.clone())).transpose()?)
    }

    /// A field, read as JSON; `None` where there is none of that name.
    ///
    /// # Errors
    /// Where it is no JSON of a `T`.
    pub fn json<T: DeserializeOwned>(&self, field: &str) -> serde_json::Result<Option<T>> {
        match self.fields.get(field) {
            Some(Value::BulkString(json)) => serde_json::from_slice(json).map(Some),
            _ => Ok(None),
        }
    }
}

/// What it says may be anybody's business, and long.
impl fmt::Debug for StreamEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.fields.keys().collect();
        f.debug_struct("StreamEntry")
            .field("id", &self.id)
            .field("fields", &names)
            .field("deliveries", &self.deliveries)
            .finish()
    }
}

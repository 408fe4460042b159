//! What the cache asks of the server.

use super::entry::Entry;
use crate::Redis;
use qa_resource_core::{Group, Result};
use redis::{AsyncCommands, Pipeline, Script};
use std::sync::LazyLock;
use std::time::Duration;

/// So many keys are removed in one command.
const AT_ONCE: usize = 500;

/// Keeps a value, unless something was invalidated since it began to be computed: it may have been
/// computed of what is no longer so.
///
/// Keys: the value's, the generation's, then the tags'. Arguments: the value, ms to live, the
/// generation that was read before.
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[3] then return 0 end
for i = 3, #KEYS do
  redis.call('SADD', KEYS[i], KEYS[1])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
",
    )
});

/// Notes for so many ms that somebody computes a value; whether that's who asks, also where the answer to
/// an earlier attempt was lost.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local owner = redis.call('GET', KEYS[1])
if owner then return owner == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
",
    )
});

/// Removes the note that a value is being computed, if it is still ours.
static LEAVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end")
});

/// The keys of one cache on the server.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) group: Group<Redis>,
    prefix: String,
}

/// What was found under a key.
pub(super) struct Found {
    pub(super) entry: Option<Entry>,
    pub(super) left: Duration,
    /// How often something was invalidated so far.
    pub(super) generation: u64,
}

impl Found {
    /// What is there, and for how much longer.
    pub(super) fn kept(&self) -> Option<(&Entry, Duration)> {
        Some((self.entry.as_ref()?, self.left))
    }
}

impl Store {
    pub(super) fn new(group: Group<Redis>, name: &str) -> Self {
        // In a cluster all of it is in one slot: what belongs together changes together.
        Self { group, prefix: format!("cache:{{{name}}}:") }
    }

    fn value(&self, key: &str) -> String {
        format!("{}value:{key}", self.prefix)
    }

    fn tag(&self, tag: &str) -> String {
        format!("{}tag:{tag}", self.prefix)
    }

    fn computing(&self, key: &str) -> String {
        format!("{}computing:{key}", self.prefix)
    }

    fn generation(&self) -> String {
        format!("{}generation", self.prefix)
    }

    pub(super) async fn find(&self, key: &str) -> Result<Found> {
        let (key, generation) = (self.value(key), self.generation());
        let mut pipeline = Pipeline::new();
        pipeline.get(&key).pttl(&key).get(&generation);
        let pipeline = &pipeline;
        let (bytes, left, generation): (Option<Vec<u8>>, i64, Option<u64>) = self
            .group
            .run_idempotent(|lease| async move { pipeline.query_async(&mut lease.clone()).await })
            .await?;
        Ok(Found {
            entry: bytes.and_then(|bytes| Entry::read(&bytes)),
            left: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
            generation: generation.unwrap_or(0),
        })
    }

    pub(super) async fn keep(
        &self,
        key: &str,
        tags: &[String],
        entry: &Entry,
        milliseconds: u64,
        generation: u64,
    ) -> Result<()> {
        let mut call = KEEP.prepare_invoke();
        call.key(self.value(key)).key(self.generation());
        for tag in tags {
            call.key(self.tag(tag));
        }
        call.arg(entry.bytes()).arg(milliseconds).arg(generation);
        let call = &call;
        self.group
            .run_idempotent(|lease| async move { call.invoke_async(&mut lease.clone()).await })
            .await
    }

    /// Notes that somebody computes it; whether that's us.
    pub(super) async fn claim(&self, key: &str, owner: u64, limit: Duration) -> Result<bool> {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut call = CLAIM.prepare_invoke();
        call.key(self.computing(key)).arg(owner).arg(limit);
        let call = &call;
        self.group
            .run_idempotent(|lease| async move { call.invoke_async(&mut lease.clone()).await })
            .await
    }

    pub(super) async fn unclaim(&self, key: &str, owner: u64) -> Result<()> {
        let mut call = LEAVE.prepare_invoke();
        call.key(self.computing(key)).arg(owner);
        let call = &call;
        self.group
            .run_idempotent(|lease| async move { call.invoke_async(&mut lease.clone()).await })
            .await
    }

    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        self.new_generation().await?;
        self.unlink(&[self.value(key)]).await
    }

    pub(super) async fn remove_tag(&self, tag: &str) -> Result<u64> {
        self.new_generation().await?;
        let tag = &self.tag(tag);
        let keys: Vec<String> = self
            .group
            .run_idempotent(|lease| async move { lease.clone().smembers(tag).await })
            .await?;
        for some in keys.chunks(AT_ONCE) {
            self.unlink(some).await?;
            // Only those: others may be added meanwhile.
            self.group
                .run_idempotent(
                    |lease| async move { lease.clone().srem::<_, _, ()>(tag, some).await },
                )
                .await?;
        }
        Ok(keys.len() as u64)
    }

    pub(super) async fn remove_prefix(&self, prefix: &str) -> Result<u64> {
        self.new_generation().await?;
        let (any, pattern) = (&self.prefix, &format!("{}*", escaped(&self.value(prefix))));
        let (mut cursor, mut removed) = (0_u64, 0);
        loop {
            let (next, keys): (u64, Vec<String>) = self
                .group
                .run_idempotent(|lease| async move {
                    let mut command = redis::cmd("SCAN");
                    command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
                    // All keys of the cache are kept by one master.
                    command.query_async(&mut lease.master_of(any)?).await
                })
                .await?;
            self.unlink(&keys).await?;
            removed += keys.len() as u64;
            if next == 0 {
                return Ok(removed);
            }
            cursor = next;
        }
    }

    /// What is being computed now is not kept.
    async fn new_generation(&self) -> Result<()> {
        let key = &self.generation();
        self.group
            .run_idempotent(|lease| async move { lease.clone().incr::<_, _, ()>(key, 1).await })
            .await
    }

    async fn unlink(&self, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.group
            .run_idempotent(|lease| async move { lease.clone().unlink::<_, ()>(keys).await })
            .await
    }
}

/// What is special in a pattern stands for itself.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(escaped(r"a*b?[c]\"), r"a\*b\?\[c\]\\");
    }
}

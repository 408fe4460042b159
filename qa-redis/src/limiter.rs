//! Rate limits that processes share.

use crate::Redis;
use crate::metrics::LimiterMeter;
use qa_resource_core::{Group, Result};
use redis::Script;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The generic cell rate algorithm, in the server's time: what is kept is when the bucket will be empty
/// again. Never further ahead than a full one, so that a clock that went back locks nobody out.
///
/// Arguments: microseconds for one, how many fit in, how many are asked for. Answers `{allowed, how
/// many more would be, microseconds until so many are, microseconds until it is empty}`.
static CHECK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = now + burst * interval
local empty = tonumber(redis.call('GET', KEYS[1])) or now
empty = math.min(math.max(empty, now), full)
local after = empty + cost * interval
-- Microseconds of this size have a quarter for their smallest part.
if after > full + 0.5 then
  return {0, math.floor((full - empty) / interval + 0.001), math.ceil(after - full), math.ceil(empty - now)}
end
if cost > 0 then
  redis.call('SET', KEYS[1], string.format('%.2f', after), 'PX', math.ceil((after - now) / 1000))
end
return {1, math.floor((full - after) / interval + 0.001), 0, math.ceil(after - now)}
",
    )
});

/// How much is allowed: so many in a time, of which so many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    per: Duration,
    burst: u32,
}

impl Rate {
    /// So many in each `per`, and as many at once. Zero counts as one; no time as a microsecond.
    #[must_use]
    pub fn new(count: u32, per: Duration) -> Self {
        let count = count.max(1);
        Self { count, per: per.max(Duration::from_micros(1)), burst: count }
    }

    /// So many in each second, and as many at once.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        Self::new(count, Duration::from_secs(1))
    }

    /// At most so many at once; zero counts as one.
    #[must_use]
    pub fn burst(mut self, burst: u32) -> Self {
        self.burst = burst.max(1);
        self
    }

    /// Microseconds for one.
    fn interval(&self) -> f64 {
        self.per.as_secs_f64() * 1e6 / f64::from(self.count)
    }
}

/// What a rate limiter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// Whether it may be done now; it's then counted.
    pub allowed: bool,
    /// How many more would be allowed at once.
    pub remaining: u32,
    /// After this it would be allowed, if nobody else comes; zero where it is.
    pub retry_after: Duration,
    /// After this nothing of what was done counts any more.
    pub reset_after: Duration,
}

/// A limit to how often something is done, by all processes together: an exchange's order entry, a
/// vendor's queries.
///
/// It is the generic cell rate algorithm (ITU-T I.371): a full bucket at once, then one as often as
/// the rate says, with no moment at which a new window begins. The server's clock counts.
///
/// ```no_run
/// # async fn example(resource: qa_resource_core::Resource<qa_redis::Redis>) -> Result<(), Box<dyn std::error::Error>> {
/// use qa_redis::{Rate, RateLimiter};
/// use std::time::Duration;
/// let orders = RateLimiter::new(resource.clone(), "orders", Rate::per_second(50).burst(10));
/// if orders.acquire("account 7", Duration::from_millis(200)).await?.allowed {
///     // Send it.
/// }
/// # Ok(())
/// # }
/// ```
pub struct RateLimiter {
    group: Group<Redis>,
    prefix: String,
    rate: Rate,
    meter: LimiterMeter,
}

impl RateLimiter {
    /// A limit of this name; processes that give it the same name and rate share it.
    pub fn new(group: impl Into<Group<Redis>>, name: &str, rate: Rate) -> Self {
        let group = group.into();
        let meter = LimiterMeter::new(group.name());
        Self { group, prefix: format!("limit:{name}:"), rate, meter }
    }

    /// Whether one may be done now for this key, which has a bucket of its own.
    ///
    /// # Errors
    /// As [`Resource::run`](qa_resource_core::Resource::run). Where its outcome is unknown, one may
    /// have been counted.
    ///
    /// # Cancel safety
    /// One may have been counted.
    pub async fn check(&self, key: &str) -> Result<Decision> {
        self.check_many(key, 1).await
    }

    /// Whether so many may be done now for this key, all or none. More than fit in at once are never
    /// allowed; none tells how it stands.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// As [`check`](Self::check).
    pub async fn check_many(&self, key: &str, count: u32) -> Result<Decision> {
        let Rate { burst, .. } = self.rate;
        let mut call = CHECK.prepare_invoke();
        call.key(format!("{}{key}", self.prefix)).arg(self.rate.interval()).arg(burst).arg(count);
        let call = &call;
        let (allowed, remaining, retry, reset): (bool, u32, u64, u64) = self
            .group
            .run(|lease| async move { call.invoke_async(&mut lease.clone()).await })
            .await?;
        if !allowed {
            self.meter.refused();
        }
        Ok(Decision {
            allowed,
            remaining,
            retry_after: Duration::from_micros(retry),
            reset_after: Duration::from_micros(reset),
        })
    }

    /// As [`check`](Self::check), waiting until it is allowed where that is within `wait`; the answer
    /// says no at once where it is not.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// As [`check`](Self::check).
    pub async fn acquire(&self, key: &str, wait: Duration) -> Result<Decision> {
        let began = Instant::now();
        loop {
            let decision = self.check(key).await?;
            let left = wait.saturating_sub(began.elapsed());
            if decision.allowed || decision.retry_after > left {
                return Ok(decision);
            }
            sleep(decision.retry_after).await;
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("resource", &self.group.name())
            .field("prefix", &self.prefix)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_no_zeros() {
        let rate = Rate::new(0, Duration::ZERO).burst(0);
        assert_eq!((rate.count, rate.per, rate.burst), (1, Duration::from_micros(1), 1));
        assert!((Rate::per_second(50).interval() - 20_000.0).abs() < f64::EPSILON);
        assert_eq!(Rate::per_second(50).burst, 50);
    }
}

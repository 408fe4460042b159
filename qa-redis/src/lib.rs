//! Redis for [`qa_resource_core`]: one multiplexed connection that is replaced when it is lost, and what
//! people build on it.
//!
//! [`Redis`] is the backend and [`Client`] what a lease gives. The client implements redis'
//! [`ConnectionLike`](redis::aio::ConnectionLike), so that every command, pipeline and script of
//! the [`redis`] crate works on it, from any number of tasks at once and over one connection:
//!
//! ```no_run
//! use qa_redis::redis::{AsyncCommands, pipe};
//! use qa_redis::{Redis, Target};
//! use qa_resource_core::{Resource, Settings};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let target = Target::parse("redis", "redis://:password@localhost:6379/0")?;
//! let redis = Resource::new("redis", Redis::new(&target)?, Settings::default());
//! redis.connect().await?;
//!
//! // One command: a value that expires after 300 s. `run` bounds it, and retries it where it
//! // certainly was not applied.
//! let () = redis
//!     .run(|lease| async move { lease.clone().set_ex("signal:600000", "long", 300).await })
//!     .await?;
//!
//! // Or with a lease of one's own; here many commands in one round trip.
//! let lease = redis.acquire().await?;
//! let mut pipeline = pipe();
//! for code in ["600000", "600004"] {
//!     pipeline.set_ex(format!("signal:{code}"), "flat", 300).ignore();
//! }
//! pipeline.get("signal:600000");
//! let (signal,): (String,) = pipeline.query_async(&mut lease.clone()).await?;
//! assert_eq!(signal, "flat");
//! drop(lease);
//!
//! println!("{}", redis.close(Duration::from_secs(5)).await);
//! # Ok(())
//! # }
//! ```
//!
//! # What is better than redis' own `ConnectionManager`
//!
//! - A lost connection is noticed when it breaks, not with the next command, in RESP2 and RESP3.
//! - A half-open connection is left: after three answers in a row that did not come (see [`Redis`]).
//! - A server that has become read-only (a failover) is left.
//! - Nothing is cached that a rotated password could spoil: each connect starts from nothing.
//! - While the server is down, commands fail at once and say that they were not applied.
//! - Closing ends the connection at once, even while clones of the client are still held.
//!
//! # What must not run on the shared connection
//!
//! Blocking commands (`BLPOP`, `XREAD BLOCK`), `WATCH`, `MULTI` by hand, `SELECT`, `SUBSCRIBE`,
//! `CLIENT REPLY` and `RESET`: they hold up or confuse every other user of the connection. An atomic
//! [`Pipeline`](redis::Pipeline::atomic) is fine: it is sent as one piece. For all of these there are
//! [dedicated](Client::dedicated) connections, and [`Client::transaction`].
//!
//! # What is built on it
//!
//! | | |
//! |---|---|
//! | [`Subscription`] | what is published, and what may have been missed |
//! | [`StreamConsumer`] | a consumer group's member that takes over what others left behind |
//! | [`Locks`] | locks with fencing tokens, on one server or a majority of several |
//! | [`Cache`] | values that are computed once |
//! | [`RateLimiter`] | rate limits that processes share |
//! | [`Signals`] | the latest signal for each code |

mod about;
mod backend;
mod cache;
mod classify;
mod client;
mod cluster;
mod dedicated;
mod dial;
mod fate;
mod limiter;
mod link;
mod lock;
mod login;
mod majority;
pub mod metrics;
mod node;
mod options;
mod place;
mod pubsub;
mod replicas;
mod sentinel;
mod server;
mod session;
mod signals;
mod stream;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod transaction;
mod way;

pub use backend::Redis;
pub use cache::{Cache, CacheError, CacheSettings, Tagged};
pub use client::Client;
pub use dedicated::Dedicated;
pub use limiter::{Decision, Rate, RateLimiter};
pub use link::Counts;
pub use lock::{LockError, LockGuard, LockSettings, Locks, LostBy};
pub use pubsub::{Event, Gap, Message, Subscription, Topic};
pub use qa_resource_core::{Class, Endpoint, Secret, Target, TlsSettings};
pub use redis;
pub use signals::Signals;
pub use stream::{StreamConsumer, StreamEntry, StreamSettings, StreamStats};

//! ClickHouse for qa-resource: the official client under a supervised lifecycle, and a batcher that
//! keeps its rows until the server has them.
//!
//! A lease gives the official [`clickhouse::Client`], so every query and insert of it is there as
//! it is. What it lacks is added: a connect that means something, pings, limits, errors that say
//! what they mean for the data, and [`Batcher`].
//!
//! ```no_run
//! use qa_clickhouse::{ClickHouse, clickhouse};
//! use qa_resource_core::{Resource, Settings, Target};
//!
//! # async fn example() -> qa_resource_core::Result<()> {
//! let target = Target::parse("bars", "clickhouse://me:secret@localhost/quantaxis?max_threads=4")?;
//! let bars = Resource::new("bars", ClickHouse::new(&target)?, Settings::default());
//! bars.connect().await?;
//! let count: u64 = bars
//!     .run(async |lease| lease.query("SELECT count() FROM system.tables").fetch_one().await)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The URL
//!
//! `clickhouse://user:password@host:port/database?setting=value`, spoken over HTTP: port 8123 by
//! default, and 8443 with `clickhouses://` (feature `tls`); `http://` and `https://` mean the same
//! two. Without a database in the URL it is `default`. The query may hold:
//!
//! | key | meaning |
//! |---|---|
//! | `keep_alive` | the server's `keep_alive_timeout` in seconds, default 10 (servers before 23.11: 3); an idle connection is closed a second before |
//! | `compression` | of what is inserted and read: `lz4` (default) or `none` |
//! | one of [`SETTINGS`] | sent with every query, such as `max_threads=4` |
//!
//! # How many queries at once
//!
//! 32 operations of `run` per resource, and as many idle connections are kept. Without a bound the
//! hundreds that have waited for the end of an outage are asked all at once, and the server refuses many by
//! its memory limit. The others wait in line; the setting `max_in_flight` gives another bound. A query on a
//! lease that was acquired by hand is not counted.
//!
//! # What is logged
//!
//! Nothing secret by this crate. The driver's own log at DEBUG quotes the server's errors, and that of
//! a refused login names the user: keep it out, as with `RUST_LOG=debug,clickhouse::error=info`.

mod backend;
mod batcher;
mod classify;
mod codes;
mod http;
pub mod metrics;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(feature = "tls")]
mod tls;
mod url;

pub use backend::ClickHouse;
pub use batcher::{
    BatchMemory, BatchOptions, BatchReport, Batcher, BatcherBuilder, InsertMode, PushAllError,
    PushError, SpillOptions,
};
pub use classify::error_code;
pub use clickhouse;
pub use qa_resource_core::{self, Resource, Settings, Target};
pub use url::SETTINGS;

//! ClickHouse for qa-resource: the official client under a supervised lifecycle, and a batcher that
//! keeps its rows until the server has them.
//!
//! A lease gives the official [`clickhouse::Client`], so every query and insert of it is there as
//! it is. What it lacks is added: a connect that means something, pings, limits, errors that say
//! what they mean for the data; [`Batcher`] for what is inserted, and [`Queries`] for what is asked, of
//! one server or of several ([`ClickHouse::group`]).
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
//! | `compression` | of what is inserted and read: `lz4` (default), `none`, or with the feature `zstd` also `zstd` and `zstd:1` to `zstd:22`, the level of what is inserted (3); that of what is read is the server's `http_zlib_compression_level` |
//! | one of [`SETTINGS`] | sent with every query, such as `max_threads=4` |
//!
//! Nothing is set that the URL does not have: the server's own defaults fit its machine. What QUANTAXIS
//! set has these reasons, and these names here:
//!
//! | there | here | default of the server, and why it is left |
//! |---|---|---|
//! | `max_threads` 4 | `max_threads=4` | its cores; 4 is for a server that many share |
//! | `max_block_size` 65536 | `max_block_size=65536` | 65,409: the same |
//! | `insert_block_size` 100,000,000 | `max_insert_block_size` | 1,048,449; a batcher sets it to its batch, so that one insert is one block |
//!
//! # How many queries at once
//!
//! 32 operations of `run` per resource, and as many idle connections are kept. Without a bound the
//! hundreds that have waited for the end of an outage are asked all at once, and the server refuses many by
//! its memory limit. The others wait in line; the setting `max_in_flight` gives another bound. A query on a
//! lease that was acquired by hand is not counted; those of a [`Queries`] have a bound of their own.
//!
//! # Features
//!
//! `tls` for `clickhouses://`; `arrow` for answers and inserts in columns, as Arrow record batches, which a
//! [`Batcher`] takes too; `polars` for the same as `DataFrame`s; `zstd` for that compression.
//!
//! # What is logged
//!
//! Nothing secret by this crate. The driver's own log at DEBUG quotes the server's errors, and that of
//! a refused login names the user: keep it out, as with `RUST_LOG=debug,clickhouse::error=info`.

#[cfg(feature = "arrow")]
pub mod arrow;
mod backend;
mod batcher;
mod classify;
mod codes;
mod http;
pub mod metrics;
#[cfg(feature = "polars")]
pub mod polars;
mod query;
mod tables;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(feature = "tls")]
mod tls;
mod url;
#[cfg(not(feature = "zstd"))]
#[path = "no_zstd.rs"]
mod zstd;
#[cfg(feature = "zstd")]
mod zstd;

pub use backend::ClickHouse;
pub use batcher::{
    BatchMemory, BatchOptions, BatchReport, Batcher, BatcherBuilder, InsertMode, PushAllError,
    PushError, SpillOptions,
};
pub use classify::{error_code, error_name};
pub use clickhouse;
pub use codes::code_name;
pub use qa_resource_core::{
    self, Ejection, Group, GroupSettings, Member, Policy, Resource, Settings, Target,
};
pub use query::{
    Progress, ProgressStream, Queries, Query, QueryOptions, RawStream, RowStream, Session, Summary,
};
pub use tables::{Partition, Table};
pub use url::SETTINGS;

//! MongoDB for qa-resource: the official driver under a supervised lifecycle.
//!
//! The driver pools, retries and fails over by itself; this crate adds what it lacks: a connect
//! that means something (the driver's own is lazy), limits, a close that ends although a cursor is
//! still open, and errors that say what they mean for the data. A lease gives the driver's own
//! [`mongodb::Client`], so every operation of the driver is there as it is.
//!
//! ```no_run
//! use qa_mongo::mongodb::bson::{Document, doc};
//! use qa_mongo::{BulkOptions, MongoDb, bulk_upsert};
//! use qa_resource_core::{Resource, Settings, Target};
//!
//! # async fn example() -> qa_resource_core::Result<()> {
//! let target = Target::parse("quotes", "mongodb://me:secret@localhost/quantaxis?authSource=admin")?;
//! let quotes = Resource::new("quotes", MongoDb::new(&target)?, Settings::default());
//! quotes.connect().await?;
//! let bars = [doc! { "code": "GOOG", "date": "2004-08-19", "close": 50.2 }];
//! quotes
//!     .run_idempotent(async |lease| {
//!         let days = MongoDb::database(&lease).collection::<Document>("stock_day");
//!         bulk_upsert(&days, &bars, &["code", "date"], &BulkOptions::default()).await
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The URL
//!
//! `mongodb://user:password@host:port,host:port/database?option=value`, or `mongodb+srv://…`, with
//! the options of MongoDB's connection strings. As in MongoDB itself, the user is looked up in the
//! URL's database unless `authSource` names another (often `admin`). Without a database in the URL
//! it is [`DEFAULT_DATABASE`]. What the URL does not say:
//!
//! | option | default here | why |
//! |---|---|---|
//! | `maxPoolSize` | 100 | the drivers' specification; the Rust driver's own 10 starves a busy service |
//! | `maxIdleTimeMS` | 60000 | a pool that grew with an outage shrinks again; the driver's own never does |
//! | `serverSelectionTimeoutMS` | 4000 | a caller is told within seconds, not after 30 |
//! | `connectTimeoutMS` | 5000 | as [`Settings::connect_timeout`](qa_resource_core::Settings) |
//! | `heartbeatFrequencyMS` | 2000 to 2600, drawn for each client | a frozen server leaves the driver's view after 7.6 s, not after 20; clients that lost it together come back one by one |
//! | `appName` | the resource's name | `db.currentOp()` then says whose connection it is |
//! | `commandMetrics` | false | ours, not MongoDB's: see below |
//!
//! `minPoolSize` stays 0: ten connections to every member for each idle process are ten too many, and
//! the first operation waits for one dial. Where it is set, a connect waits for so many, at most 2 s:
//! the client that follows another one under load, as with a changed login, then keeps nobody waiting.
//! Each takes several round trips, and the driver makes `maxConnecting` of them at once, 2 by default: for
//! a server that is far away set both.
//!
//! `socketTimeoutMS` and `waitQueueTimeoutMS` are refused, because the driver has no such limits
//! and would not keep them: [`Settings::operation_timeout`](qa_resource_core::Settings) is the limit.
//! An operation that it ends is dropped by the driver together with its connection. The server then stops
//! reading, but goes on with a write: [`Bounded`] and [`max_time_ms`] give it the limit, too. What this
//! crate sends has it. `maxPoolSize=0` is refused as well: elsewhere that is no bound, and here no connection.
//!
//! Of the pool's connections nine in ten (90 by default) may be used by operations of
//! [`Resource::run`](qa_resource_core::Resource::run) at once, unless
//! [`Settings::max_in_flight`](qa_resource_core::Settings) says another number. The others wait in
//! line, where their limit costs nothing: one that ran out in the driver's own queue would take a
//! connection along. The rest is for leases, cursors and pings.
//!
//! # What is seen of it
//!
//! A replica set that has no primary can be read but not written: that is degraded, not down
//! ([`Health`](qa_resource_core::Health)), and said as soon as the driver knows. The driver's pools and who
//! waits for them, its looks at the members, changes and absences of the primary are measured
//! ([`metrics::TABLE`]), by its own events and without anything in a caller's way.
//!
//! With `commandMetrics=true` so is every command, by its name and with its error. The driver then
//! parses each command and each reply once more, which is next to nothing for small ones and a good
//! part of the whole for a batch of ten thousand documents; therefore it is off by default. What
//! [`Resource::run`](qa_resource_core::Resource::run) runs is measured in any case.
//!
//! # What the driver has no limit for
//!
//! A login of one of its connections: `connectTimeoutMS` is for the dial, and ends before the login
//! begins. One that is under way at the moment when a server freezes stays until the server goes on or
//! goes, also after a close. Nobody waits for it, and it holds one socket and one task.
//!
//! # Transactions that are left behind
//!
//! A close does not end a transaction of a session that somebody still holds. The server aborts it when
//! its time is over (`transactionLifetimeLimitSeconds`, a minute): drop the session, or use
//! [`with_transaction`].
//!
//! # TLS
//!
//! With the feature `tls`, and `tls=true` in the URL (`mongodb+srv` implies it). Without a
//! `ca_file` the driver trusts Mozilla's roots, not the system's.
//!
//! The files are read at each connect. To change them while the service runs, put the new ones in their
//! place and call [`Resource::reconnect`](qa_resource_core::Resource::reconnect): new operations go to a
//! client that has read them, and those under way finish on the old one. To change an authority, first
//! trust both, then change the server's certificate, then forget the first. A login by certificate is
//! `authMechanism=MONGODB-X509`, and needs no user in the URL.

mod about;
mod backend;
mod bounded;
mod bulk;
mod changes;
mod chunk;
mod classify;
mod codes;
mod commands;
mod documents;
mod goodbye;
mod index;
mod lead;
mod limit;
pub mod market;
pub mod metrics;
mod observer;
mod options;
mod ping;
mod pools;
mod standing;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(feature = "tls")]
mod tls;
mod transaction;
mod waits;

pub use backend::{DEFAULT_DATABASE, MongoDb};
pub use bounded::{Bounded, max_time_ms};
pub use bulk::{BulkError, BulkOptions, BulkUpsert, Written, bulk_upsert};
pub use changes::{Bookmark, Ended, FollowError, StoredBookmark, follow};
pub use documents::documents;
pub use index::{ensure_index, ensure_unique_index};
pub use mongodb;
pub use qa_resource_core::{self, Resource, Settings, Target};
pub use transaction::with_transaction;

//! The collections of QUANTAXIS, typed: their fields, keys and indexes.
//!
//! Bars and accounts that its programs wrote can be read, and what is written here can be read by them.

use crate::{BulkOptions, BulkUpsert, MongoDb, bulk_upsert, ensure_index, ensure_unique_index};
use mongodb::bson::{Document, doc};
use mongodb::error::Result;
use mongodb::{Client, Collection};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A document with a collection of its own.
pub trait Stored: Serialize + DeserializeOwned + Send + Sync {
    /// The collection's name.
    const COLLECTION: &'static str;
    /// The fields that no two documents have in common, together.
    const KEY: &'static [&'static str];
    /// What it is looked up by beside its key.
    const LOOKUP: &'static [&'static str];
}

/// A stock's day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DayBar {
    /// The stock: `000001`.
    pub code: String,
    /// The day: `2018-01-02`.
    pub date: String,
    /// Its beginning, in seconds since 1970.
    pub date_stamp: f64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Volume.
    pub vol: f64,
    /// Turnover.
    pub amount: f64,
}

/// A stock's minute, or several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MinuteBar {
    /// The stock: `000001`.
    pub code: String,
    /// Its end: `2018-01-02 09:31:00`.
    pub datetime: String,
    /// The day: `2018-01-02`.
    pub date: String,
    /// The day's beginning, in seconds since 1970.
    pub date_stamp: f64,
    /// Its end, in seconds since 1970.
    pub time_stamp: f64,
    /// How long it is: `1min`, `5min`, `15min`, `30min`, `60min`.
    #[serde(rename = "type")]
    pub frequency: String,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Volume.
    pub vol: f64,
    /// Turnover.
    pub amount: f64,
}

/// An account in the QIFI format. Orders, trades and positions are documents by their ids, as they
/// differ between markets; whatever else it has is kept as it is.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct QifiAccount {
    /// Whose account it is.
    pub account_cookie: String,
    /// The trading day: `2018-01-02`.
    #[serde(default)]
    pub trading_day: String,
    /// When it was written.
    #[serde(default)]
    pub updatetime: String,
    /// Balances and margins.
    #[serde(default)]
    pub accounts: Document,
    /// What it holds, by code.
    #[serde(default)]
    pub positions: Document,
    /// Orders by id.
    #[serde(default)]
    pub orders: Document,
    /// Trades by id.
    #[serde(default)]
    pub trades: Document,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Document,
}

/// QIFI has a field for a password, which is nobody's business.
impl fmt::Debug for QifiAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QifiAccount")
            .field("account_cookie", &self.account_cookie)
            .field("trading_day", &self.trading_day)
            .field("updatetime", &self.updatetime)
            .finish_non_exhaustive()
    }
}

impl Stored for DayBar {
    const COLLECTION: &'static str = "stock_day";
    const KEY: &'static [&'static str] = &["code", "date"];
    const LOOKUP: &'static [&'static str] = &["code", "date_stamp"];
}

impl Stored for MinuteBar {
    const COLLECTION: &'static str = "stock_min";
    const KEY: &'static [&'static str] = &["code", "type", "datetime"];
    const LOOKUP: &'static [&'static str] = &["code", "time_stamp", "date_stamp"];
}

impl Stored for QifiAccount {
    const COLLECTION: &'static str = "account";
    const KEY: &'static [&'static str] = &["account_cookie"];
    const LOOKUP: &'static [&'static str] = &["trading_day"];
}

impl DayBar {
    /// The bars of these stocks on the days from `first` to `last`, both included.
    #[must_use]
    pub fn between(codes: &[&str], first: &str, last: &str) -> Document {
        doc! { "code": { "$in": codes }, "date": { "$gte": first, "$lte": last } }
    }
}

impl MinuteBar {
    /// The bars of these stocks that are as long as `frequency` and end from `first` to `last`, both
    /// included.
    #[must_use]
    pub fn between(codes: &[&str], frequency: &str, first: &str, last: &str) -> Document {
        let time = doc! { "$gte": first, "$lte": last };
        doc! { "code": { "$in": codes }, "type": frequency, "datetime": time }
    }
}

/// The collection of such documents, in the URL's database.
#[must_use]
pub fn collection<T: Stored>(client: &Client) -> Collection<T> {
    MongoDb::database(client).collection(T::COLLECTION)
}

/// Makes sure that the collection has its indexes: a unique one on its key, and one to look it up by.
/// `limit` is for each.
///
/// # Errors
/// As [`ensure_index`]; a collection that QUANTAXIS wrote may hold duplicates (11000).
///
/// # Cancel safety
/// When it is dropped, the server may still build an index.
pub async fn ensure_indexes<T: Stored>(client: &Client, limit: Duration) -> Result<()> {
    let collection = collection::<T>(client);
    ensure_unique_index(&collection, T::KEY, limit).await?;
    let lookup = T::LOOKUP.iter().map(|field| ((*field).to_owned(), 1.into())).collect();
    ensure_index(&collection, lookup, false, limit).await
}

/// Inserts or updates each by its key, as [`bulk_upsert`].
///
/// # Errors
/// As [`bulk_upsert`].
///
/// # Cancel safety
/// As [`bulk_upsert`].
pub async fn upsert<T: Stored>(
    client: &Client,
    documents: &[T],
    options: &BulkOptions,
) -> Result<BulkUpsert> {
    bulk_upsert(&collection::<T>(client), documents, T::KEY, options).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{deserialize_from_document, serialize_to_document};

    #[test]
    fn an_account_keeps_what_it_does_not_know_and_shows_no_password() {
        let stored = doc! {
            "account_cookie": "a1", "password": "c4n4ry", "trading_day": "2018-01-02",
            "updatetime": "", "accounts": { "balance": 1.5 }, "positions": {}, "orders": {},
            "trades": {}, "wsuri": "ws://h", "settlement": {},
        };
        let account: QifiAccount = deserialize_from_document(stored.clone()).unwrap();
        assert_eq!(account.rest.len(), 3);
        let shown = format!("{account:?}");
        assert!(shown.contains("a1") && !shown.contains("c4n4ry"), "{shown}");
        let again = serialize_to_document(&account).unwrap();
        assert_eq!(again.len(), stored.len());
        assert!(stored.iter().all(|(field, value)| again.get(field) == Some(value)));
    }

    #[test]
    fn every_key_and_lookup_is_a_field() {
        fn check<T: Stored + Default>() {
            let document = serialize_to_document(&T::default()).unwrap();
            for field in T::KEY.iter().chain(T::LOOKUP) {
                assert!(document.contains_key(field), "{} of {}", field, T::COLLECTION);
            }
        }
        check::<DayBar>();
        check::<MinuteBar>();
        check::<QifiAccount>();
    }
}

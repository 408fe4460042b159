//! Operations of the driver that the server ends, too.

use crate::MongoDb;
use mongodb::action::{
    Aggregate, CountDocuments, CreateIndex, Distinct, DropIndex, EstimatedDocumentCount, Find,
    FindOne, FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate,
};
use qa_resource_core::Lease;
use std::time::Duration;

/// What the server gives up sooner than we do, so that its answer is here before our limit: where that
/// came first, the driver would throw the connection away.
const SOONER: Duration = Duration::from_millis(100);

/// The server takes 0 for no limit at all.
const SHORTEST: Duration = Duration::from_millis(1);

/// It takes no more: 24 days.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// An operation of the driver's that the server ends when its limit is over.
///
/// The limit of [`run`](qa_resource_core::Resource::run) ends the wait on our side only. With
/// [`bounded`](Self::bounded) the server stops as well.
///
/// ```no_run
/// use qa_mongo::mongodb::bson::{Document, doc};
/// use qa_mongo::{Bounded, MongoDb};
///
/// # async fn example(quotes: qa_mongo::Resource<MongoDb>) -> qa_resource_core::Result<()> {
/// let days = quotes
///     .run_idempotent(async |lease| {
///         let days = MongoDb::database(&lease).collection::<Document>("stock_day");
///         days.count_documents(doc! { "code": "000001" }).bounded(&lease).await
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// It is there for what the driver has a `max_time` for: queries, aggregations, counts, what finds one
/// document and changes it, indexes. Updates, deletes and inserts have none in this driver. Where one of
/// those may take long, send it as a command, which takes [`maxTimeMS`](max_time_ms):
///
/// ```no_run
/// use qa_mongo::mongodb::bson::doc;
/// use qa_mongo::{MongoDb, max_time_ms};
///
/// # async fn example(quotes: qa_mongo::Resource<MongoDb>) -> qa_resource_core::Result<()> {
/// quotes
///     .run_idempotent(async |lease| {
///         let purge = doc! {
///             "delete": "stock_min",
///             "deletes": [{ "q": { "date": { "$lt": "2018-01-01" } }, "limit": 0 }],
///             "maxTimeMS": max_time_ms(&lease),
///         };
///         MongoDb::database(&lease).run_command(purge).await
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
pub trait Bounded: Sized {
    /// Has the server end it when the lease's [`time_left`](Lease::time_left) is over, less a tenth of
    /// it, 100 ms at the most: its answer, an error of kind `Timeout`, is then here before our own
    /// limit, and the connection stays. A `max_time` that was set before is replaced.
    ///
    /// For a cursor this is the time that the server spends on it in all, its later batches included.
    #[must_use]
    fn bounded(self, lease: &Lease<MongoDb>) -> Self;
}

/// What a command that is done with this lease is to have as its `maxTimeMS`; see [`Bounded::bounded`].
#[must_use]
pub fn max_time_ms(lease: &Lease<MongoDb>) -> i64 {
    i64::try_from(share(lease.time_left()).as_millis()).unwrap_or(i64::MAX)
}

/// Of a time that is left, what the server is given.
fn share(left: Duration) -> Duration {
    left.saturating_sub(SOONER.min(left / 10)).clamp(SHORTEST, LONGEST)
}

/// Each with its own generics, and a `max_time`.
macro_rules! bounded {
    ($([$($generics:tt)*] $action:ty),* $(,)?) => {
        $(impl<$($generics)*> Bounded for $action {
            fn bounded(self, lease: &Lease<MongoDb>) -> Self {
                self.max_time(share(lease.time_left()))
            }
        })*
    };
}

bounded! {
    ['a, T: Send + Sync, S] Find<'a, T, S>,
    ['a, T: Send + Sync] FindOne<'a, T>,
    ['a, S, T] Aggregate<'a, S, T>,
    ['a] CountDocuments<'a>,
    ['a] EstimatedDocumentCount<'a>,
    ['a] Distinct<'a>,
    ['a, T: Send + Sync] FindOneAndDelete<'a, T>,
    ['a, T: Send + Sync] FindOneAndReplace<'a, T>,
    ['a, T: Send + Sync] FindOneAndUpdate<'a, T>,
    ['a, M] CreateIndex<'a, M>,
    ['a] DropIndex<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_given_a_little_less_and_never_no_limit() {
        let ms = Duration::from_millis;
        let cases = [(10_000, 9_900), (1_000, 900), (500, 450), (10, 9), (1, 1), (0, 1)];
        for (left, expected) in cases {
            assert_eq!(share(ms(left)), ms(expected), "{left}");
        }
        assert_eq!(share(Duration::MAX).as_millis(), i32::MAX.unsigned_abs().into());
    }
}

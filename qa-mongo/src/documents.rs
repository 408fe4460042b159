//! What a query finds, as a stream that ends in time.

use crate::MongoDb;
use crate::limit::{bounded, within};
use crate::waits::counted;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt, poll};
use mongodb::error::{Error, ErrorKind, Result};
use mongodb::{Client, Cursor};
use qa_resource_core::Lease;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Opens a cursor and gives its documents, one after the other. Opening it, and each of its batches,
/// may take `limit`; how long the caller takes over a document is its own affair.
///
/// The stream holds the lease, so a close waits for it. It does not wait long: the stream ends with
/// an error of kind `Closed` as soon as the resource is closing (after the attachments, which had
/// their time to finish), or is lost. So whoever reads to the end knows that it was the end. Where
/// the stream is dropped before, the driver closes the cursor on the server.
///
/// Say `max_time` in the query, so that the server stops too, and for many documents a large
/// `batch_size`: each batch is a round trip, and the driver's is what the server gives, 101 at first.
///
/// ```no_run
/// use futures_util::TryStreamExt;
/// use qa_mongo::mongodb::bson::{Document, doc};
/// use qa_mongo::{MongoDb, documents};
/// use std::time::Duration;
///
/// # async fn example(quotes: qa_mongo::Resource<MongoDb>) -> Result<(), Box<dyn std::error::Error>> {
/// let limit = Duration::from_secs(10);
/// let lease = quotes.acquire().await?;
/// let mut bars = documents(lease, limit, async |client| {
///     let days = MongoDb::database(&client).collection::<Document>("stock_day");
///     days.find(doc! { "code": "000001" }).batch_size(10_000).max_time(limit).await
/// })
/// .await?;
/// while let Some(bar) = bars.try_next().await? {
///     println!("{bar}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The driver's where the cursor can't be opened in time; later ones come out of the stream, after
/// which it ends.
///
/// # Cancel safety
/// Dropped while a batch is on its way, the driver gives that connection up.
pub async fn documents<T, Fut>(
    lease: Lease<MongoDb>,
    limit: Duration,
    open: impl FnOnce(Client) -> Fut,
) -> Result<BoxStream<'static, Result<T>>>
where
    T: DeserializeOwned + Unpin + Send + Sync + 'static,
    Fut: Future<Output = Result<Cursor<T>>>,
{
    let opened = until_left(&lease, within(limit, open(lease.clone()))).await;
    let cursor = opened.inspect_err(|error| lease.report(error))?;
    let open = Open { cursor, lease: lease.long_lived(), limit };
    Ok(stream::unfold(Some(Box::new(open)), next).boxed())
}

/// A cursor that may have more.
struct Open<T> {
    cursor: Cursor<T>,
    lease: Lease<MongoDb>,
    limit: Duration,
}

/// The next document, and what is left then: nothing after an error.
async fn next<T>(open: Option<Box<Open<T>>>) -> Option<(Result<T>, Option<Box<Open<T>>>)>
where
    T: DeserializeOwned + Unpin + Send + Sync + 'static,
{
    let mut open = open?;
    let found = match &mut *open {
        Open { lease, .. } if lease.is_lost() => Err(closed()),
        Open { cursor, lease, limit } => {
            let mut found = pin!(counted(cursor.try_next()));
            match poll!(&mut found) {
                // As most of a batch are: what is there takes neither a timer nor a watch.
                Poll::Ready(found) => found,
                // Apart, once for a batch: what is around it is made and moved for each document.
                Poll::Pending => Box::pin(until_left(lease, bounded(*limit, found))).await,
            }
        }
    };
    match found {
        Ok(None) => None,
        Ok(Some(document)) => Some((Ok(document), Some(open))),
        Err(error) => {
            open.lease.report(&error);
            Some((Err(error), None))
        }
    }
}

/// Waits for `work`, but not when the resource has left the connection. What is there already costs
/// one look.
pub(crate) async fn until_left<T>(
    lease: &Lease<MongoDb>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    if lease.is_lost() {
        return Err(closed());
    }
    tokio::select! {
        biased;
        done = work => done,
        () = lease.lost() => Err(closed()),
    }
}

fn closed() -> Error {
    ErrorKind::Shutdown.into()
}

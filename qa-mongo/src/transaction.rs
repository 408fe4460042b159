//! Transactions that are tried again where that is right, and that end in time.

use crate::limit::{aborted, timed_out};
use crate::waits::counted;
use futures_util::future::BoxFuture;
use mongodb::error::Result;
use mongodb::options::{ReadConcern, TransactionOptions, WriteConcern};
use mongodb::{Client, ClientSession};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// The driver's own limit is 120 s, and what it says where that runs out does not tell whether the
/// commit was on its way. Ours comes first.
const LONGEST: Duration = Duration::from_secs(110);

/// Runs `work` in a transaction and commits it, within `limit` (110 s at the most). Both are tried
/// again, by the driver and with its growing pauses, where the server says that this is right: the
/// whole where it met another transaction or a change of primary (`TransientTransactionError`), the
/// commit alone where its outcome is unknown (`UnknownTransactionCommitResult`).
///
/// `work` may therefore run more than once; what it needs each time is the `context`. It gives its
/// session to every operation that is to be part of the transaction, and returns the error of any
/// that fails. What it reads is a snapshot;
/// what it writes is there for all at once, acknowledged by a majority, or not at all. A single
/// server has no transactions: it takes a replica set.
///
/// ```no_run
/// use qa_mongo::mongodb::bson::{Document, doc};
/// use qa_mongo::{MongoDb, with_transaction};
/// use std::time::Duration;
///
/// # async fn example(bank: qa_mongo::Resource<MongoDb>) -> qa_resource_core::Result<()> {
/// bank.run(async |lease| {
///     let accounts = MongoDb::database(&lease).collection::<Document>("accounts");
///     with_transaction(&lease, Duration::from_secs(4), accounts, |session, accounts| {
///         Box::pin(async move {
///             let (from, to) = (doc! { "_id": "a" }, doc! { "_id": "b" });
///             let (take, give) = (doc! { "$inc": { "cash": -5 } }, doc! { "$inc": { "cash": 5 } });
///             accounts.update_one(from, take).session(&mut *session).await?;
///             accounts.update_one(to, give).session(&mut *session).await
///         })
///     })
///     .await
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// That of `work`, and then nothing is applied; the driver's where a commit is refused; a timeout
/// where `limit` runs out, which is of unknown outcome only where the commit had been begun.
///
/// # Cancel safety
/// When it is dropped before the commit has begun, the transaction is aborted, by a task of the
/// driver's. Afterwards its outcome is unknown.
pub async fn with_transaction<T, C, F>(
    client: &Client,
    limit: Duration,
    context: C,
    work: F,
) -> Result<T>
where
    T: Send,
    C: Send,
    F: for<'a> FnMut(&'a mut ClientSession, &'a mut C) -> BoxFuture<'a, Result<T>> + Send,
{
    let limit = limit.min(LONGEST);
    let options = TransactionOptions::builder()
        .read_concern(ReadConcern::snapshot())
        .write_concern(WriteConcern::majority())
        .max_commit_time(limit)
        .build();
    let committing = AtomicBool::new(false);
    let attempts = async {
        let mut session = client.start_session().await?;
        let tracked = (context, work, &committing);
        let transaction = session.start_transaction().with_options(options);
        let run = transaction.and_run(tracked, |session, (context, work, committing)| {
            Box::pin(async move {
                committing.store(false, Ordering::Relaxed);
                let done = work(session, context).await?;
                committing.store(true, Ordering::Relaxed);
                Ok(done)
            })
        });
        run.await
    };
    match timeout(limit, counted(attempts)).await {
        Ok(ended) => ended,
        Err(_) if committing.load(Ordering::Relaxed) => Err(timed_out(limit)),
        Err(_) => Err(aborted(limit)),
    }
}

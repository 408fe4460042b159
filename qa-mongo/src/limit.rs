//! The limits that the driver does not have.

use crate::waits::counted;
use futures_util::FutureExt;
use mongodb::error::Result;
use std::time::Duration;
use std::{error, fmt, io};
use tokio::time::timeout;

/// Waits for `operation`, but not longer than `limit` from this call. Not an `async fn`, which would have room
/// for the operation, a large one of the driver's, twice.
pub(crate) fn within<T>(
    limit: Duration,
    operation: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    bounded(limit, counted(operation))
}

/// The same for what is counted already.
pub(crate) fn bounded<T>(
    limit: Duration,
    operation: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    timeout(limit, operation).map(move |ended| ended.unwrap_or_else(|_| Err(timed_out(limit))))
}

/// An error of an operation that went on for longer than `limit`.
pub(crate) fn timed_out(limit: Duration) -> mongodb::error::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}")).into()
}

/// An error about what we were given, in the driver's own type.
pub(crate) fn invalid(message: impl Into<String>) -> mongodb::error::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into()).into()
}

/// What is inside the error of something that was never applied.
#[derive(Debug)]
struct NotApplied(String);

impl fmt::Display for NotApplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for NotApplied {}

/// An error of an operation that was given up after `limit`, when nothing of it was applied yet.
pub(crate) fn aborted(limit: Duration) -> mongodb::error::Error {
    let why = format!("not done within {limit:?}, and given up before anything was applied");
    io::Error::new(io::ErrorKind::TimedOut, NotApplied(why)).into()
}

/// An error of something that may be there when it is tried again.
pub(crate) fn unavailable(why: String) -> mongodb::error::Error {
    io::Error::other(NotApplied(why)).into()
}

/// Whether it is one of an operation that was certainly not applied.
pub(crate) fn is_not_applied(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<NotApplied>())
}

//! The limits that the driver does not have.

use mongodb::error::Result;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// Waits for `operation`, but not longer than `limit`.
pub(crate) async fn within<T>(
    limit: Duration,
    operation: impl Future<Output = Result<T>>,
) -> Result<T> {
    timeout(limit, operation).await.unwrap_or_else(|_| Err(timed_out(limit)))
}

/// An error of an operation that went on for longer than `limit`.
pub(crate) fn timed_out(limit: Duration) -> mongodb::error::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}")).into()
}

/// An error about what we were given, in the driver's own type.
pub(crate) fn invalid(message: impl Into<String>) -> mongodb::error::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into()).into()
}

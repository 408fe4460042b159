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
    timeout(limit, operation).await.unwrap_or_else(|_| {
        let text = format!("no answer within {limit:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
    })
}

/// An error about what we were given, in the driver's own type.
pub(crate) fn invalid(message: impl Into<String>) -> mongodb::error::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into()).into()
}

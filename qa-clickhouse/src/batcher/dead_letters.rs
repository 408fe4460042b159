//! Where rows go that no table takes.

use qa_resource_core::Error;
use std::pin::Pin;
use std::sync::Arc;

type Taken = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Takes a row that was refused for what is in it, and the server's words.
pub(super) type DeadLetters<T> =
    Arc<dyn Fn(&T, &Error) -> Pin<Box<dyn Future<Output = Taken> + Send>> + Send + Sync>;

pub(super) fn dead_letters<T, F, Fut, E>(take: F) -> DeadLetters<T>
where
    F: Fn(&T, &Error) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Arc::new(move |row, error| {
        let taken = take(row, error);
        Box::pin(async move { taken.await.map_err(Into::into) })
    })
}

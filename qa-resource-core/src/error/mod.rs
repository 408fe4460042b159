//! The one error of the library: what kind, what it means for the data, and where it came from.

mod kind;
mod told;

pub use kind::{Class, ErrorKind, Outcome};

use std::fmt;
use std::sync::Arc;
use told::Told;

/// This library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a resource. Cheap to clone, so that every waiter can be told the same cause.
///
/// Its `Display` is one line that names the resource, what was being done, the cause and the
/// remedy; no secret is in it. The driver's own error, where there is one, is its
/// [`source`](std::error::Error::source) and can be downcast.
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Arc<Inner>);

#[derive(Debug, thiserror::Error)]
#[error("resource `{resource}`: {message}; {}", class.kind.remedy())]
struct Inner {
    class: Class,
    resource: Arc<str>,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    spent: bool,
}

impl Error {
    /// An error of `resource`; `message` says what was tried and why it failed, in lower case and
    /// with no value that came from a user's configuration.
    ///
    /// Its outcome is [`Outcome::NotApplied`] unless told otherwise.
    pub fn new(kind: ErrorKind, resource: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            class: Class::not_applied(kind),
            resource: resource.into(),
            message: message.into(),
            source: None,
            spent: false,
        }))
    }

    /// A configuration error.
    pub fn config(resource: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, resource, message)
    }

    /// A driver's error, met while `doing` something (`"connecting to redis at localhost:6379"`).
    ///
    /// The message has what the error says, and what its causes
    /// ([`source`](std::error::Error::source)) say beyond that.
    pub fn from_driver<E>(
        class: Class,
        resource: impl Into<Arc<str>>,
        doing: impl fmt::Display,
        error: E,
    ) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Self(Arc::new(Inner {
            class,
            resource: resource.into(),
            message: format!("{doing}: {}", Told(&error)),
            source: Some(Box::new(error)),
            spent: false,
        }))
    }

    /// The same error with another outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.edit(|inner| inner.class.outcome = outcome);
        self
    }

    /// The same error, marked as one that retries were already spent on: nobody retries it again,
    /// so that nested loops don't multiply.
    #[must_use]
    pub fn spent(mut self) -> Self {
        self.edit(|inner| inner.spent = true);
        self
    }

    /// Changes a fresh error in place, and a shared one by making one that refers to it.
    fn edit(&mut self, change: impl FnOnce(&mut Inner)) {
        if Arc::get_mut(&mut self.0).is_none() {
            self.0 = Arc::new(Inner {
                class: self.0.class,
                resource: Arc::clone(&self.0.resource),
                message: self.0.message.clone(),
                source: Some(Box::new(self.clone())),
                spent: self.0.spent,
            });
        }
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            change(inner);
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.class.kind
    }

    /// Whether the operation can have been applied.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.class.outcome
    }

    /// The resource's name.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// What was tried and why it failed, without the resource's name and the remedy.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether trying again is both safe and may help: the kind is transient, the operation was
    /// not applied, and retries were not already spent on it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind().is_transient() && self.outcome() == Outcome::NotApplied && !self.is_spent()
    }

    /// Whether retries were already spent on it.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.0.spent
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { class, resource, message, source, spent } = &*self.0;
        f.debug_struct("Error")
            .field("kind", &class.kind)
            .field("outcome", &class.outcome)
            .field("resource", resource)
            .field("message", message)
            // The driver's Display, not its Debug: drivers put whole option structs into Debug.
            .field("source", &source.as_ref().map(ToString::to_string))
            .field("spent", spent)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn display_names_resource_cause_and_remedy() {
        let error = Error::from_driver(
            Class::not_applied(ErrorKind::Connect),
            "orders",
            "connecting to redis at localhost:6379",
            std::io::Error::other("refused"),
        );
        let text = error.to_string();
        assert!(
            text.starts_with("resource `orders`: connecting to redis at localhost:6379: refused; ")
        );
        assert!(text.contains("check that the server is up"), "{text}");
        assert!(error.source().unwrap().downcast_ref::<std::io::Error>().is_some());
    }

    #[test]
    fn only_transient_unapplied_unspent_errors_are_retryable() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "r", "m");
            assert_eq!(error.is_retryable(), kind.is_transient(), "{kind}");
            assert!(!error.clone().with_outcome(Outcome::Unknown).is_retryable(), "{kind}");
            assert!(!error.spent().is_retryable(), "{kind}");
        }
    }

    #[test]
    fn editing_a_shared_error_leaves_the_other_as_it_was() {
        let first = Error::new(ErrorKind::Timeout, "r", "m");
        let second = first.clone().spent();
        assert!(!first.is_spent());
        assert!(second.is_spent());
        assert_eq!(second.kind(), ErrorKind::Timeout);
    }
}

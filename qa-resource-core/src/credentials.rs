//! A login that may change while we run.

use crate::Secret;
use async_trait::async_trait;
use std::error::Error;

/// A user and a password, or a token in the password's place. What is empty is not said, and the
/// server takes what it has for that: its default user, no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who we are; hidden like the password.
    pub user: Secret,
    /// What proves it.
    pub password: Secret,
}

/// Where a login comes from that may change while we run: a file that is written anew, a vault. It
/// is asked at each connect, within the limit of that connect. Give it to any backend with
/// [`Target::with_credentials`](crate::Target::with_credentials); for files there is
/// [`FileCredentials`](crate::FileCredentials).
///
/// ```
/// use qa_resource_core::{Credentials, Login, Secret, async_trait};
/// use tokio::sync::watch;
///
/// /// A token that another task renews.
/// struct Renewed(watch::Receiver<String>);
///
/// #[async_trait]
/// impl Credentials for Renewed {
///     async fn login(&self) -> Result<Login, Box<dyn std::error::Error + Send + Sync>> {
///         let token = Secret::from(self.0.borrow().as_str());
///         Ok(Login { user: Secret::from("app"), password: token })
///     }
/// }
/// ```
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// The login that is good at this moment.
    ///
    /// # Errors
    /// Whatever keeps it from being had; the connect fails with it, and is tried again. It is
    /// logged: it must not hold a secret.
    ///
    /// # Cancel safety
    /// Dropped where the connect's limit runs out, or the resource is closed.
    async fn login(&self) -> Result<Login, Box<dyn Error + Send + Sync>>;
}

//! A login that may change while we run.

use crate::Secret;
use async_trait::async_trait;
use std::error::Error;

/// A user and a password, or a token in the password's place.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who we are; hidden like the password.
    pub user: Secret,
    /// What proves it.
    pub password: Secret,
}

/// Where a login comes from that may change while we run: a file that is written anew, a vault. It
/// is asked at each connect, within the limit of that connect.
///
/// ```
/// use qa_resource_core::{Credentials, Login, Secret, async_trait};
///
/// /// A password that is mounted as a file.
/// struct Mounted(std::path::PathBuf);
///
/// #[async_trait]
/// impl Credentials for Mounted {
///     async fn login(&self) -> Result<Login, Box<dyn std::error::Error + Send + Sync>> {
///         let password = std::fs::read_to_string(&self.0)?;
///         Ok(Login { user: Secret::from("app"), password: Secret::from(password.trim_end()) })
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

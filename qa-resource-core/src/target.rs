//! What a backend is made from.

use crate::{Credentials, Endpoint, Error, Result, TlsSettings};
use std::fmt;
use std::sync::Arc;

/// A named server: all that a backend needs to be made.
#[derive(Clone)]
pub struct Target {
    /// The resource's name; also what the server is shown as the connection's name.
    pub name: Arc<str>,
    /// Where the server is and who we are there.
    pub endpoint: Endpoint,
    /// Whom to trust, where the URL asks for TLS.
    pub tls: TlsSettings,
    /// Who is asked for the login at each connect, instead of the endpoint's own. Default: nobody.
    pub credentials: Option<Arc<dyn Credentials>>,
}

impl Target {
    /// A target with default TLS settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where the URL can't be parsed; the error
    /// holds no part of it.
    pub fn parse(name: impl Into<Arc<str>>, url: &str) -> Result<Self> {
        let name = name.into();
        match url.parse::<Endpoint>() {
            Ok(endpoint) => {
                Ok(Self { name, endpoint, tls: TlsSettings::default(), credentials: None })
            }
            Err(error) => Err(Error::config(name, error.to_string())),
        }
    }

    /// The same target, whose login is asked for at each connect; that of the URL is not used.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Arc<dyn Credentials>) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// A configuration error of this target.
    #[must_use]
    pub fn config_error(&self, message: impl Into<String>) -> Error {
        Error::config(Arc::clone(&self.name), message)
    }

    /// Checks that the scheme is one of `known`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) that lists the known ones.
    pub fn expect_scheme(&self, known: &[&str]) -> Result<()> {
        if known.contains(&self.endpoint.scheme()) {
            return Ok(());
        }
        let known = known.join(", ");
        let scheme = self.endpoint.scheme();
        Err(self.config_error(format!("the URL's scheme `{scheme}` is not one of {known}")))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("tls", &self.tls)
            .field("credentials", &self.credentials.is_some())
            .finish()
    }
}

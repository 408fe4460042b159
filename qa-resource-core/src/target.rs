//! What a backend is made from.

use crate::{Endpoint, Error, Result, TlsSettings};
use std::sync::Arc;

/// A named server: all that a backend needs to be made.
#[derive(Clone, Debug)]
pub struct Target {
    /// The resource's name; also what the server is shown as the connection's name.
    pub name: Arc<str>,
    /// Where the server is and who we are there.
    pub endpoint: Endpoint,
    /// Whom to trust, where the URL asks for TLS.
    pub tls: TlsSettings,
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
            Ok(endpoint) => Ok(Self { name, endpoint, tls: TlsSettings::default() }),
            Err(error) => Err(Error::config(name, error.to_string())),
        }
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

//! `rediss://`: the TLS layer over a socket.

use qa_resource_core::tls::{TlsError, client_config};
use qa_resource_core::{Result, Target, TlsSettings};
use redis::{ErrorKind, RedisError, RedisResult};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// Whom to trust, and the name that the server must prove.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: TlsSettings,
    name: ServerName<'static>,
}

impl Tls {
    pub(crate) fn new(target: &Target, host: &str) -> Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            target.config_error("the URL's host is not a name or an address that TLS can verify")
        })?;
        Ok(Self { settings: target.tls.clone(), name })
    }

    /// Reads the certificates anew, so that renewed ones are taken up, and shakes hands.
    pub(crate) async fn secure(&self, stream: TcpStream) -> RedisResult<TlsStream<TcpStream>> {
        let settings = self.settings.clone();
        let config = tokio::task::spawn_blocking(move || client_config(&settings)).await;
        let config = config.map_err(|error| RedisError::from(std::io::Error::other(error)))?;
        let config = config.map_err(|error| unusable(&error))?;
        Ok(TlsConnector::from(Arc::new(config)).connect(self.name.clone(), stream).await?)
    }
}

fn unusable(error: &TlsError) -> RedisError {
    (ErrorKind::InvalidClientConfig, "cannot set up TLS", error.to_string()).into()
}

//! `rediss://`: the TLS layer over a socket.

use qa_resource_core::tls::{TlsError, client_config};
use qa_resource_core::{Result, Target, TlsSettings};
use redis::{ErrorKind, RedisError, RedisResult};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// Whom to trust.
#[derive(Clone, Debug)]
pub(crate) struct Tls(TlsSettings);

impl Tls {
    pub(crate) fn new(target: &Target) -> Result<Self> {
        for host in target.endpoint.hosts() {
            verifiable(&host.name).ok_or_else(|| {
                target
                    .config_error("the URL's host is not a name or an address that TLS can verify")
            })?;
        }
        Ok(Self(target.tls.clone()))
    }

    /// Reads the certificates anew, so that renewed ones are taken up, and shakes hands with who has to
    /// prove that this is its name.
    pub(crate) async fn secure(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> RedisResult<TlsStream<TcpStream>> {
        let Some(name) = verifiable(host) else {
            let text = "the host that was named is not a name or an address that TLS can verify";
            return Err((ErrorKind::InvalidClientConfig, text).into());
        };
        let settings = self.0.clone();
        let config = tokio::task::spawn_blocking(move || client_config(&settings)).await;
        let config = config.map_err(|error| RedisError::from(std::io::Error::other(error)))?;
        let config = config.map_err(|error| unusable(&error))?;
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }
}

fn verifiable(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

fn unusable(error: &TlsError) -> RedisError {
    (ErrorKind::InvalidClientConfig, "cannot set up TLS", error.to_string()).into()
}

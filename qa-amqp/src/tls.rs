//! TLS around a connection that is about to be made.

use crate::Error;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;
use lapin::tcp::RustlsConnector;
use qa_resource_core::{Result, Target, TlsSettings, tls};

/// Accepts both schemes.
#[allow(clippy::unnecessary_wraps, reason = "its twin without the feature refuses one")]
pub(crate) fn check(_target: &Target) -> Result<()> {
    Ok(())
}

/// Makes the handshake. Files are read now, so that a renewed certificate is taken up.
pub(crate) async fn wrap<S>(
    stream: AsyncTcpStream<S>,
    host: &str,
    settings: &TlsSettings,
) -> Result<AsyncTcpStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let config = tls::client_config(settings).map_err(|error| Error::Tls(error.to_string()))?;
    let connector = RustlsConnector::from(config);
    stream.into_rustls(&connector, host).await.map_err(|error| Error::Driver(error.into()))
}

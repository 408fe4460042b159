//! What one server is given by an authority.

use std::net::Ipv4Addr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::speak::{Answer, Tls, Wire};

/// A certificate for one server, as the texts of files, and a client of the same authority.
pub(crate) struct Credentials {
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
    /// Whether clients must show a certificate of the same authority.
    pub(crate) mutual: bool,
    /// Trusts the authority alone, and shows a certificate of it.
    pub(super) client: Arc<ClientConfig>,
}

impl Tls for Credentials {
    fn dial(&self, socket: TcpStream) -> BoxFuture<'_, Answer<Wire>> {
        let connector = TlsConnector::from(Arc::clone(&self.client));
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        async move {
            match connector.connect(name, socket).await {
                Ok(stream) => Ok(Box::new(stream) as Wire),
                Err(error) => Err(format!("tls: {error}")),
            }
        }
        .boxed()
    }
}

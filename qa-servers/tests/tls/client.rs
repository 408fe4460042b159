//! A plain rustls client.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use qa_servers::tls::Authority;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A client that trusts one authority, and shows the certificate of another if there is one.
pub(crate) fn client(trusted: &Authority, shown: Option<&Authority>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted.path("ca.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let Some(shown) = shown else { return builder.with_no_client_auth() };
    let certificate = CertificateDer::from_pem_file(shown.path("client.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(shown.path("client.key")).unwrap();
    builder.with_client_auth_cert(vec![certificate], key).unwrap()
}

/// Makes the handshake with whoever listens on the loopback port.
pub(crate) async fn connect(port: u16, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

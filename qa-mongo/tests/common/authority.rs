//! A certificate authority, and a TLS end of its own in front of a real server.

use qa_resource_core::TlsSettings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// An authority, and the files that a client is given.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { folder: TempDir::new().unwrap(), issuer };
        authority.write("ca.pem", &authority.issuer.pem());
        let (certificate, key) = authority.issue("client");
        authority.write("client.pem", &certificate.pem());
        authority.write("client.key", &key.serialize_pem());
        authority.write("both.pem", &(certificate.pem() + &key.serialize_pem()));
        authority
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Trusts this authority.
    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings { ca_file: Some(self.path("ca.pem")), ..TlsSettings::default() }
    }

    /// Trusts this authority, and shows a certificate.
    pub(crate) fn mutual(&self, certificate: &str, key: &str) -> TlsSettings {
        TlsSettings {
            certificate_file: Some(self.path(certificate)),
            key_file: Some(self.path(key)),
            ..self.settings()
        }
    }

    /// A TLS end called `name` in front of the server at `port`; with `mutual` it wants a
    /// certificate too. It lives as long as the runtime.
    pub(crate) async fn serve(&self, name: &str, mutual: bool, port: u16) -> u16 {
        qa_resource_core::tls::install_provider();
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let builder = ServerConfig::builder();
        let config = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        end(TlsAcceptor::from(Arc::new(config)), port).await
    }
}

async fn end(acceptor: TlsAcceptor, port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut near = acceptor.accept(near).await?;
                let mut far = TcpStream::connect(("127.0.0.1", port)).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    address.port()
}

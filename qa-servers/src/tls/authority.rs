//! A certificate authority, and the files that a client is given.

use super::Proxy;
use super::credentials::Credentials;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A certificate authority that nobody else trusts, with a certificate for one client.
///
/// It has these files, in a directory of its own that is removed when it is dropped:
///
/// | name | holds |
/// |---|---|
/// | `ca.pem` | the authority's certificate |
/// | `client.pem`, `client.key` | a client's certificate, and its private key |
/// | `both.pem` | the client's certificate and its key in one file |
///
/// # Panics
/// All its functions do where a file can't be written or a key can't be made: it is for tests.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority and its files.
    ///
    /// # Panics
    /// Where the files can't be written.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { folder: TempDir::new().unwrap(), issuer };
        authority.write("ca.pem", &authority.issuer.pem());
        authority.renew_client("client");
        authority
    }

    /// Makes the client's files anew, with another key and for the client called `name`, as whoever
    /// renews certificates does. What was read from them before stays good.
    ///
    /// # Panics
    /// Where the files can't be written.
    pub fn renew_client(&self, name: &str) {
        let (certificate, key) = self.issue(&[name]);
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        self.write("client.pem", &certificate);
        self.write("client.key", &key);
        self.write("both.pem", &(certificate + &key));
    }

    /// The path of the file called `name`. A test may write to it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Opens a TLS end in front of the server at the loopback `port`, with a certificate for the
    /// host `name`. It lets every client in.
    ///
    /// # Panics
    /// Where there is no free port.
    ///
    /// # Cancel safety
    /// Nothing is opened where it is dropped.
    pub async fn proxy(&self, name: &str, port: u16) -> Proxy {
        Proxy::open(self.config(name, WebPkiClientVerifier::no_client_auth()), port).await
    }

    /// As [`proxy`](Self::proxy), but lets in only clients that show a certificate of this
    /// authority.
    ///
    /// # Panics
    /// Where there is no free port.
    ///
    /// # Cancel safety
    /// Nothing is opened where it is dropped.
    pub async fn mutual_proxy(&self, name: &str, port: u16) -> Proxy {
        let (roots, provider) = (Arc::new(self.roots()), Arc::new(default_provider()));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
        Proxy::open(self.config(name, verifier.build().unwrap()), port).await
    }

    /// What a server of our own needs, which wants a client's certificate where it is `mutual`.
    pub(super) fn credentials(&self, mutual: bool) -> Credentials {
        let (certificate, key) = self.issue(&["localhost", "127.0.0.1"]);
        Credentials {
            authority: self.issuer.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            mutual,
            client: Arc::new(self.client_config()),
        }
    }

    fn client_config(&self) -> ClientConfig {
        let (certificate, key) = self.issue(&["client"]);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// Names its provider, so that a client that forgets to install one is not helped.
    fn config(&self, name: &str, verifier: Arc<dyn ClientCertVerifier>) -> ServerConfig {
        let (certificate, key) = self.issue(&[name]);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }

    /// The subject has the first name: one that were the authority's own would make OpenSSL take
    /// the certificate for the authority's.
    fn issue(&self, names: &[&str]) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let subject = names[0].clone();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

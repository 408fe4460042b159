//! A handshake of TLS, and what one that failed has failed of.

use super::greeting::{Reply, greet};
use super::{Insecure, LIMIT};
use crate::certificate::Certificate;
use qa_pool::core::TlsSettings;
use qa_pool::core::tls::{client_config, install_provider};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as TlsError, RootCertStore,
    SignatureScheme,
};

/// Makes the handshake and says the first words of the protocol over it: where TLS 1.3 is spoken, a
/// server refuses our certificate only then.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    scheme: &str,
    settings: &TlsSettings,
) -> Result<Option<Certificate>, Insecure> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        Insecure::Setup("the host is not a name or an address that TLS can verify".to_owned())
    })?;
    let mut config = client_config(settings).map_err(|error| Insecure::Setup(error.to_string()))?;
    let wanted = Arc::new(Wanted::new(Arc::clone(&config.client_auth_cert_resolver)));
    config.client_auth_cert_resolver = Arc::clone(&wanted) as _;
    let ours = || {
        if settings.certificate_file.is_some() {
            Insecure::RefusesOurs
        } else {
            Insecure::WantsOurs
        }
    };
    let failed = |error: &io::Error| match alert(error) {
        Some(alert) if is_about_ours(alert, wanted.is_so()) => ours(),
        _ => why(error),
    };
    let mut stream = timeout(LIMIT, connect(config, name, stream))
        .await
        .map_err(|_| Insecure::Silent)?
        .map_err(|error| failed(&error))?;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(|all| Certificate::read(all.first()?));
    match greet(scheme, &mut stream).await {
        Reply::Broken(error) if alert(&error).is_some() => Err(failed(&error)),
        // It has asked for a certificate, and hangs up without a word: some say no more.
        Reply::Broken(_) if wanted.is_so() => Err(ours()),
        _ => Ok(certificate),
    }
}

/// Whether whoever is at the other end speaks TLS, be it trusted or not.
pub(super) async fn is_spoken(stream: TcpStream, host: &str) -> bool {
    let Ok(name) = ServerName::try_from(host.to_owned()) else { return false };
    install_provider();
    // It trusts nobody, so that a server's certificate is the last that it looks at.
    let config = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    match timeout(LIMIT, connect(config, name, stream)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            let tls = tls_error(&error);
            tls.is_some_and(|error| !matches!(error, TlsError::InvalidMessage(_)))
        }
        Err(_) => false,
    }
}

async fn connect(
    config: ClientConfig,
    name: ServerName<'static>,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Notes whether the server wants a certificate of ours.
#[derive(Debug)]
struct Wanted {
    ours: Arc<dyn ResolvesClientCert>,
    so: AtomicBool,
}

impl Wanted {
    fn new(ours: Arc<dyn ResolvesClientCert>) -> Self {
        Self { ours, so: AtomicBool::new(false) }
    }

    fn is_so(&self) -> bool {
        self.so.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Wanted {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.so.store(true, Ordering::Relaxed);
        self.ours.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.ours.has_certs()
    }
}

fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

fn alert(error: &io::Error) -> Option<AlertDescription> {
    match tls_error(error)? {
        TlsError::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// Whether an alert speaks of the certificate that we have shown, or have not.
fn is_about_ours(alert: AlertDescription, wanted: bool) -> bool {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired
        | Alert::NoCertificate
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => true,
        // What TLS 1.2 has to say of one that is missing, what OpenSSL says of one that an authority of
        // the same name has signed, and what both say of much else.
        Alert::HandshakeFailure | Alert::DecryptError => wanted,
        _ => false,
    }
}

/// What a handshake that failed has failed of.
fn why(error: &io::Error) -> Insecure {
    match tls_error(error) {
        Some(TlsError::InvalidCertificate(certificate)) => distrust(certificate),
        Some(TlsError::InvalidMessage(_)) => Insecure::NotSpoken,
        Some(error) => Insecure::Other(error.to_string()),
        None => Insecure::HungUp(error.to_string()),
    }
}

fn distrust(error: &CertificateError) -> Insecure {
    match error {
        CertificateError::NotValidForNameContext { presented, .. } => {
            Insecure::WrongName(presented.iter().map(|name| plain_name(name)).collect())
        }
        CertificateError::NotValidForName => Insecure::WrongName(Vec::new()),
        // One of the same name with another key signed it.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Insecure::UnknownAuthority
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Insecure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Insecure::NotYet
        }
        other => Insecure::Other(other.to_string()),
    }
}

/// `DnsName("h")` as `h`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

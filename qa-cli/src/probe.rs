//! What a server's address says when it is knocked at, step by step: its name, its port, its
//! certificate. Drivers tell as much in words of their own, or not at all.

use crate::certificate::Certificate;
use futures_util::future::join_all;
use qa_pool::core::tls::client_config;
use qa_pool::core::{Host, Target, TlsSettings};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, Error as TlsError};

/// Limit for each step.
const LIMIT: Duration = Duration::from_secs(2);

/// What one host of a URL said.
#[derive(Debug)]
pub(crate) struct Probe {
    /// `host:port`.
    pub(crate) at: String,
    pub(crate) found: Found,
}

/// How far it went.
#[derive(Debug)]
pub(crate) enum Found {
    /// No such name, or nobody who would know.
    Unknown(String),
    Refused,
    Unreachable(String),
    /// Nothing answers a dial.
    NoAnswer,
    /// The port is open, and the URL asks for no TLS.
    Open,
    /// The handshake was made.
    Secure(Option<Certificate>),
    Insecure(Insecure),
}

/// Why there is no TLS although the URL asks for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Insecure {
    /// The certificate is for these names.
    WrongName(Vec<String>),
    UnknownAuthority,
    Expired,
    NotYet,
    /// The server does not speak TLS on this port.
    NotSpoken,
    /// It wants a certificate of ours, and none is configured, or not the right one.
    WantsOurs,
    /// It does not go on with the handshake.
    Silent,
    Other(String),
}

/// Knocks at every host of a target, at once.
pub(crate) async fn probe(target: &Target) -> Vec<Probe> {
    let Some(port) = port(target.endpoint.scheme()) else {
        return Vec::new();
    };
    let secure = is_secure(target);
    let probes = target.endpoint.hosts().iter().map(|host| async move {
        let found = knock(host, port, secure.then_some(&target.tls)).await;
        Probe { at: host.authority(port), found }
    });
    join_all(probes).await
}

/// Whether a server whose URL asks for no TLS speaks it all the same.
pub(crate) async fn speaks_tls(target: &Target) -> bool {
    let (Some(port), Some(host)) =
        (port(target.endpoint.scheme()), target.endpoint.hosts().first())
    else {
        return false;
    };
    let found = knock(host, port, Some(&target.tls)).await;
    let refused = [Insecure::NotSpoken, Insecure::Silent];
    match found {
        Found::Secure(_) => true,
        Found::Insecure(Insecure::Other(_)) => false,
        Found::Insecure(why) => !refused.contains(&why),
        _ => false,
    }
}

/// The port of a URL that names none; none where the hosts are not known from the URL.
fn port(scheme: &str) -> Option<u16> {
    match scheme {
        "mongodb" => Some(27017),
        "amqp" => Some(5672),
        "amqps" => Some(5671),
        "clickhouse" => Some(8123),
        "clickhouses" => Some(8443),
        "redis" | "rediss" | "redis-cluster" | "rediss-cluster" => Some(6379),
        "redis-sentinel" | "rediss-sentinel" => Some(26379),
        _ => None,
    }
}

fn is_secure(target: &Target) -> bool {
    let scheme = target.endpoint.scheme();
    // MongoDB's says it in its query. What it says there is a secret like every value of it.
    let asked = target.endpoint.query().any(|(key, _)| key == "tls" || key == "ssl");
    ["amqps", "clickhouses"].contains(&scheme)
        || scheme.starts_with("rediss")
        || scheme == "mongodb" && asked
}

async fn knock(host: &Host, port: u16, tls: Option<&TlsSettings>) -> Found {
    let port = host.port_or(port);
    let addresses = match timeout(LIMIT, lookup_host((host.name.as_str(), port))).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(error)) => return Found::Unknown(error.to_string()),
        Err(_) => return Found::Unknown(format!("no answer within {LIMIT:?}")),
    };
    let stream = match timeout(LIMIT, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Found::Refused;
        }
        Ok(Err(error)) => return Found::Unreachable(error.to_string()),
        Err(_) => return Found::NoAnswer,
    };
    let Some(settings) = tls else { return Found::Open };
    match timeout(LIMIT, handshake(stream, &host.name, settings)).await {
        Ok(Ok(certificate)) => Found::Secure(certificate),
        Ok(Err(why)) => Found::Insecure(why),
        Err(_) => Found::Insecure(Insecure::Silent),
    }
}

async fn handshake(
    stream: TcpStream,
    host: &str,
    settings: &TlsSettings,
) -> Result<Option<Certificate>, Insecure> {
    let other = |text: String| Insecure::Other(text);
    let config = client_config(settings).map_err(|error| other(error.to_string()))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| {
        other("the host is not a name or an address that TLS can verify".to_owned())
    })?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(|error| why(&error))?;
    let certificates = stream.get_ref().1.peer_certificates();
    Ok(certificates.and_then(|all| Certificate::read(all.first()?)))
}

/// What a handshake that failed has failed of.
fn why(error: &io::Error) -> Insecure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::InvalidCertificate(certificate)) => distrust(certificate),
        Some(TlsError::AlertReceived(alert)) if format!("{alert:?}").contains("Certificate") => {
            Insecure::WantsOurs
        }
        // It answers in another language, or hangs up on words that it does not know.
        Some(TlsError::InvalidMessage(_)) | None => Insecure::NotSpoken,
        Some(error) => Insecure::Other(error.to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_tls_is_asked_for_is_in_the_url() {
        for (url, secure) in [
            ("redis://h", false),
            ("rediss://h", true),
            ("rediss-sentinel://h", true),
            ("amqps://h", true),
            ("clickhouse://h", false),
            ("mongodb://h/?tls=true", true),
            ("mongodb://h/?maxPoolSize=3", false),
        ] {
            assert_eq!(is_secure(&Target::parse("r", url).unwrap()), secure, "{url}");
        }
    }

    #[test]
    fn every_scheme_whose_hosts_are_in_the_url_has_a_port() {
        for (scheme, _) in qa_pool::KNOWN_SCHEMES {
            assert_eq!(port(scheme).is_none(), scheme == "mongodb+srv", "{scheme}");
        }
    }

    #[tokio::test]
    async fn a_name_that_nobody_has_is_told_from_a_port_that_nobody_listens_on() {
        let unknown = Target::parse("r", "redis://no-such-host.invalid").unwrap();
        assert!(matches!(probe(&unknown).await[0].found, Found::Unknown(_)));
        let refused = qa_servers::testing::Refused::new();
        let target = Target::parse("r", &format!("redis://127.0.0.1:{}", refused.port())).unwrap();
        assert!(matches!(probe(&target).await[0].found, Found::Refused));
    }
}

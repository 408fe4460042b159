//! What a server's address says when it is knocked at, step by step: its name, its port, its
//! certificate. Drivers tell as much in words of their own, or not at all.

mod greeting;
mod handshake;

use crate::certificate::Certificate;
use futures_util::future::join_all;
use greeting::{Reply, greet};
use handshake::{handshake, is_spoken};
use qa_pool::core::{Host, Target};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

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
    /// Ours can't be used: nothing was sent.
    Setup(String),
    /// The certificate is for these names.
    WrongName(Vec<String>),
    UnknownAuthority,
    Expired,
    NotYet,
    /// The server does not speak TLS on this port.
    NotSpoken,
    /// It wants a certificate of ours, and none is configured.
    WantsOurs,
    /// It does not take the one that we show.
    RefusesOurs,
    /// It answers neither a handshake nor a greeting without TLS.
    Silent,
    /// It ends the connection, and does not answer a greeting without TLS.
    HungUp(String),
    Other(String),
}

/// Knocks at every host of a target, at once.
pub(crate) async fn probe(target: &Target) -> Vec<Probe> {
    let Some(port) = port(target.endpoint.scheme()) else {
        return Vec::new();
    };
    let probes = target.endpoint.hosts().iter().map(|host| async move {
        Probe { at: host.authority(port), found: knock(target, host, port).await }
    });
    join_all(probes).await
}

/// Whether a server at `at`, whose URL asks for no TLS, speaks it all the same.
pub(crate) async fn speaks_tls(target: &Target, at: &str) -> bool {
    let Some(port) = port(target.endpoint.scheme()) else { return false };
    let Some(host) = target.endpoint.hosts().iter().find(|host| host.authority(port) == at) else {
        return false;
    };
    let Ok(addresses) = look_up(host, port).await else { return false };
    match dial(&addresses).await {
        Ok(stream) => is_spoken(stream, &host.name).await,
        Err(_) => false,
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
    // MongoDB's says it in its query.
    let asked = target
        .endpoint
        .query()
        .any(|(key, value)| (key == "tls" || key == "ssl") && value.expose() == "true");
    ["amqps", "clickhouses"].contains(&scheme)
        || scheme.starts_with("rediss")
        || scheme == "mongodb" && asked
}

async fn knock(target: &Target, host: &Host, port: u16) -> Found {
    let addresses = match look_up(host, port).await {
        Ok(addresses) => addresses,
        Err(found) => return found,
    };
    let stream = match dial(&addresses).await {
        Ok(stream) => stream,
        Err(found) => return found,
    };
    if !is_secure(target) {
        return Found::Open;
    }
    let scheme = target.endpoint.scheme();
    match handshake(stream, &host.name, scheme, &target.tls).await {
        Ok(certificate) => Found::Secure(certificate),
        // It may know no TLS: Redis, for one, waits for the end of a line that a handshake has not.
        Err(Insecure::Silent | Insecure::HungUp(_)) if is_plain(scheme, &addresses).await => {
            Found::Insecure(Insecure::NotSpoken)
        }
        Err(why) => Found::Insecure(why),
    }
}

/// Whether it answers the protocol's first words without TLS.
async fn is_plain(scheme: &str, addresses: &[SocketAddr]) -> bool {
    match dial(addresses).await {
        Ok(stream) => matches!(greet(scheme, stream).await, Reply::Answered),
        Err(_) => false,
    }
}

async fn look_up(host: &Host, port: u16) -> Result<Vec<SocketAddr>, Found> {
    match timeout(LIMIT, lookup_host((host.name.as_str(), host.port_or(port)))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(Found::Unknown(error.to_string())),
        Err(_) => Err(Found::Unknown(format!("no answer within {LIMIT:?}"))),
    }
}

async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, Found> {
    match timeout(LIMIT, TcpStream::connect(addresses)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(Found::Refused),
        Ok(Err(error)) => Err(Found::Unreachable(error.to_string())),
        Err(_) => Err(Found::NoAnswer),
    }
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
            ("mongodb://h/?tls=false", false),
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

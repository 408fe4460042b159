//! `rediss://`: verified on both sides, and every way in which it must fail.
//!
//! The real server stands behind a TLS end of the test's own, so that the certificates are too.

mod support;

use qa_redis::redis::{AsyncCommands, RedisError};
use qa_redis::{Redis, Target, TlsSettings};
use qa_resource_core::{Backend, ErrorKind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::shared;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A certificate authority, one certificate of it, and the files that a client is given.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { folder: TempDir::new().unwrap(), issuer };
        authority.write("ca.pem", &authority.issuer.pem());
        let (certificate, key) = authority.issue("client");
        authority.write("client.pem", &certificate.pem());
        authority.write("client.key", &key.serialize_pem());
        authority
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings { ca_file: Some(self.path("ca.pem")), ..TlsSettings::default() }
    }

    fn mutual(&self) -> TlsSettings {
        TlsSettings {
            certificate_file: Some(self.path("client.pem")),
            key_file: Some(self.path("client.key")),
            ..self.settings()
        }
    }

    /// A TLS end in front of the real server, for `name`; with `mutual` it wants a certificate too.
    async fn serve(&self, name: &str, mutual: bool) -> u16 {
        qa_resource_core::tls::install_provider();
        let (certificate, key) = self.issue(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ServerConfig::builder();
        let config = if mutual {
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        end(TlsAcceptor::from(Arc::new(config)), shared().await.port()).await
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

async fn open(port: u16, tls: TlsSettings) -> Result<qa_redis::Client, RedisError> {
    let server = shared().await;
    let (user, password) = (server.user(), server.password());
    let url = format!("rediss://{user}:{password}@localhost:{port}/0");
    let target = Target { tls, ..Target::parse("secured", &url).unwrap() };
    Redis::new(&target).unwrap().connect().await
}

async fn failure(port: u16, tls: TlsSettings) -> (ErrorKind, String) {
    let error = open(port, tls).await.unwrap_err();
    (Redis::classify(&error).kind, error.to_string())
}

#[tokio::test]
async fn a_verified_server_serves() {
    let authority = Authority::new();
    let port = authority.serve("localhost", false).await;
    let mut client = open(port, authority.settings()).await.unwrap();
    assert!(client.protocol().supports_resp3());
    let () = client.set_ex("tls", "value", 60).await.unwrap();
    assert_eq!(client.get::<_, String>("tls").await.unwrap(), "value");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_wanted() {
    let authority = Authority::new();
    let port = authority.serve("localhost", true).await;
    let mut client = open(port, authority.mutual()).await.unwrap();
    assert!(!client.exists::<_, bool>("nothing").await.unwrap());
    let (kind, text) = failure(port, authority.settings()).await;
    assert_eq!(kind, ErrorKind::Connect, "{text}");
}

#[tokio::test]
async fn another_name_and_another_authority_are_not_trusted() {
    let authority = Authority::new();
    let misnamed = authority.serve("elsewhere", false).await;
    let (kind, text) = failure(misnamed, authority.settings()).await;
    assert!(kind == ErrorKind::Connect && text.contains("not valid for name"), "{text}");

    let port = authority.serve("localhost", false).await;
    let (kind, text) = failure(port, Authority::new().settings()).await;
    assert!(kind == ErrorKind::Connect && text.contains("certificate"), "{text}");
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_bad_file_is_named() {
    let authority = Authority::new();
    let port = authority.serve("localhost", false).await;
    let server = shared().await;
    let (user, password) = (server.user(), server.password());
    let url = format!("rediss://{user}:{password}@localhost:{port}/0");
    let good = std::fs::read_to_string(authority.path("ca.pem")).unwrap();
    authority.write("ca.pem", "c4n4ry");
    let target = Target { tls: authority.settings(), ..Target::parse("renewed", &url).unwrap() };
    let redis = Redis::new(&target).unwrap();
    let error = redis.connect().await.unwrap_err();
    assert_eq!(Redis::classify(&error).kind, ErrorKind::Config, "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("ca.pem") && !text.contains("c4n4ry"), "{text}");
    authority.write("ca.pem", &good);
    redis.connect().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_finish_the_handshake_is_left_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("rediss://127.0.0.1:{port}?response_timeout=200ms");
    let target = Target::parse("silent", &url).unwrap();
    let error = tokio::time::timeout(support::AT_ONCE, Redis::new(&target).unwrap().connect())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(Redis::classify(&error).kind, ErrorKind::Timeout, "{error}");
}

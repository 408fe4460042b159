//! `clickhouses://`: verified on both sides, and every way in which it must fail.
//!
//! The real server stands behind a TLS end of the test's own, so that the certificates are too.
#![cfg(feature = "tls")]

#[path = "../../qa-mongo/tests/common/authority.rs"]
mod authority;
mod common;

use authority::Authority;
use clickhouse::error::Result;
use common::shared;
use qa_clickhouse::{ClickHouse, Target, clickhouse};
use qa_resource_core::{Backend, ErrorKind, Outcome, TlsSettings};

async fn open(port: u16, tls: TlsSettings) -> Result<clickhouse::Client> {
    let server = shared().await;
    let (user, password) = (server.user(), server.password());
    let url = format!("clickhouses://{user}:{password}@localhost:{port}/default");
    let target = Target { tls, ..Target::parse("secured", &url).unwrap() };
    ClickHouse::new(&target).unwrap().connect().await
}

async fn failure(port: u16, tls: TlsSettings) -> (ErrorKind, String) {
    let error = open(port, tls).await.unwrap_err();
    let class = ClickHouse::classify(&error);
    assert_eq!(class.outcome, Outcome::NotApplied, "{error}");
    (class.kind, format!("{error} {error:?}"))
}

#[tokio::test]
async fn a_verified_server_serves_and_others_are_not_trusted() {
    let authority = Authority::new();
    let port = authority.serve("localhost", false, shared().await.port()).await;
    let client = open(port, authority.settings()).await.unwrap();
    assert_eq!(client.query("SELECT 2").fetch_one::<u8>().await.unwrap(), 2);
    let (kind, text) = failure(port, Authority::new().settings()).await;
    assert!(kind == ErrorKind::Connect && text.contains("ertificate"), "{text}");
    let misnamed = authority.serve("elsewhere", false, shared().await.port()).await;
    let (kind, text) = failure(misnamed, authority.settings()).await;
    assert!(kind == ErrorKind::Connect && text.contains("ertificate"), "{text}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_wanted() {
    let authority = Authority::new();
    let port = authority.serve("localhost", true, shared().await.port()).await;
    open(port, authority.mutual("client.pem", "client.key")).await.unwrap();
    // In TLS 1.3 the refusal comes after our handshake is done.
    let error = open(port, authority.settings()).await.unwrap_err();
    assert_eq!(ClickHouse::classify(&error).kind, ErrorKind::Connect, "{error}");
}

#[tokio::test]
async fn a_bad_file_is_a_configuration_error_that_names_it() {
    let authority = Authority::new();
    let port = authority.serve("localhost", false, shared().await.port()).await;
    let missing = TlsSettings { ca_file: Some(authority.path("gone.pem")), ..Default::default() };
    let (kind, text) = failure(port, missing).await;
    assert!(kind == ErrorKind::Config && text.contains("gone.pem"), "{text}");
    authority.write("client.key", "c4n4ry");
    let (kind, text) = failure(port, authority.mutual("client.pem", "client.key")).await;
    assert!(kind == ErrorKind::Config && !text.contains("c4n4ry"), "{kind} {text}");
}

#[tokio::test]
async fn settings_that_would_have_no_effect_are_refused() {
    let authority = Authority::new();
    let plain = Target::parse("plain", "clickhouse://h").unwrap();
    let error = ClickHouse::new(&Target { tls: authority.settings(), ..plain }).unwrap_err();
    assert!(error.message().contains("write it as clickhouses://"), "{error}");
}

//! `clickhouses://`: verified on both sides, and every way in which it must fail.
//!
//! The real server stands behind a TLS end of the test's own, so that the certificates are too.
#![cfg(feature = "tls")]

mod common;

use clickhouse::error::Result;
use common::shared;
use qa_clickhouse::{ClickHouse, Target, clickhouse};
use qa_resource_core::{Backend, ErrorKind, Outcome, TlsSettings};
use qa_servers::tls::{Authority, Proxy};

fn trusting(authority: &Authority) -> TlsSettings {
    TlsSettings { ca_file: Some(authority.path("ca.pem")), ..TlsSettings::default() }
}

fn showing_a_certificate(authority: &Authority) -> TlsSettings {
    TlsSettings {
        certificate_file: Some(authority.path("client.pem")),
        key_file: Some(authority.path("client.key")),
        ..trusting(authority)
    }
}

async fn open(proxy: &Proxy, tls: TlsSettings) -> Result<clickhouse::Client> {
    let server = shared().await;
    let (user, password) = (server.user(), server.password());
    let url = format!("clickhouses://{user}:{password}@localhost:{}/default", proxy.port());
    let target = Target { tls, ..Target::parse("secured", &url).unwrap() };
    ClickHouse::new(&target).unwrap().connect().await
}

async fn failure(proxy: &Proxy, tls: TlsSettings) -> (ErrorKind, String) {
    let error = open(proxy, tls).await.unwrap_err();
    let class = ClickHouse::classify(&error);
    assert_eq!(class.outcome, Outcome::NotApplied, "{error}");
    (class.kind, format!("{error} {error:?}"))
}

#[tokio::test]
async fn a_verified_server_serves_and_others_are_not_trusted() {
    let authority = Authority::new();
    let proxy = authority.proxy("localhost", shared().await.port()).await;
    let client = open(&proxy, trusting(&authority)).await.unwrap();
    assert_eq!(client.query("SELECT 2").fetch_one::<u8>().await.unwrap(), 2);
    let (kind, text) = failure(&proxy, trusting(&Authority::new())).await;
    assert!(kind == ErrorKind::Connect && text.contains("ertificate"), "{text}");
    let misnamed = authority.proxy("elsewhere", shared().await.port()).await;
    let (kind, text) = failure(&misnamed, trusting(&authority)).await;
    assert!(kind == ErrorKind::Connect && text.contains("ertificate"), "{text}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_wanted() {
    let authority = Authority::new();
    let proxy = authority.mutual_proxy("localhost", shared().await.port()).await;
    open(&proxy, showing_a_certificate(&authority)).await.unwrap();
    // In TLS 1.3 the refusal comes after our handshake is done.
    let error = open(&proxy, trusting(&authority)).await.unwrap_err();
    assert_eq!(ClickHouse::classify(&error).kind, ErrorKind::Connect, "{error}");
}

#[tokio::test]
async fn a_bad_file_is_a_configuration_error_that_names_it() {
    let authority = Authority::new();
    let proxy = authority.proxy("localhost", shared().await.port()).await;
    let missing = TlsSettings { ca_file: Some(authority.path("gone.pem")), ..Default::default() };
    let (kind, text) = failure(&proxy, missing).await;
    assert!(kind == ErrorKind::Config && text.contains("gone.pem"), "{text}");
    std::fs::write(authority.path("client.key"), "c4n4ry").unwrap();
    let (kind, text) = failure(&proxy, showing_a_certificate(&authority)).await;
    assert!(kind == ErrorKind::Config && !text.contains("c4n4ry"), "{kind} {text}");
}

#[tokio::test]
async fn settings_that_would_have_no_effect_are_refused() {
    let authority = Authority::new();
    let plain = Target::parse("plain", "clickhouse://h").unwrap();
    let error = ClickHouse::new(&Target { tls: trusting(&authority), ..plain }).unwrap_err();
    assert!(error.message().contains("write it as clickhouses://"), "{error}");
}

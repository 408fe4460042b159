//! `tls=true`: verified on both sides, and every way in which it must fail.
//!
//! The real server stands behind a TLS end of the test's own, so that the certificates are too.
#![cfg(feature = "tls")]

mod common;

use common::shared;
use mongodb::Client;
use mongodb::error::Result;
use qa_mongo::{MongoDb, Target, mongodb};
use qa_resource_core::{Backend, ErrorKind, TlsSettings};
use qa_servers::tls::{Authority, Proxy};

fn trusting(authority: &Authority) -> TlsSettings {
    TlsSettings { ca_file: Some(authority.path("ca.pem")), ..TlsSettings::default() }
}

fn showing(authority: &Authority, certificate: &str, key: &str) -> TlsSettings {
    TlsSettings {
        certificate_file: Some(authority.path(certificate)),
        key_file: Some(authority.path(key)),
        ..trusting(authority)
    }
}

async fn backend(proxy: &Proxy, tls: TlsSettings) -> MongoDb {
    let server = shared().await;
    let (user, password) = (server.user(), server.password());
    let options = "authSource=admin&directConnection=true&tls=true&serverSelectionTimeoutMS=1000";
    let url = format!("mongodb://{user}:{password}@localhost:{}/?{options}", proxy.port());
    MongoDb::new(&Target { tls, ..Target::parse("secured", &url).unwrap() }).unwrap()
}

async fn open(proxy: &Proxy, tls: TlsSettings) -> Result<Client> {
    let mongo = backend(proxy, tls).await;
    let client = mongo.connect().await?;
    mongo.close(client.clone()).await.unwrap();
    Ok(client)
}

async fn failure(proxy: &Proxy, tls: TlsSettings) -> (ErrorKind, String) {
    let error = open(proxy, tls).await.unwrap_err();
    (MongoDb::classify(&error).kind, error.to_string())
}

#[tokio::test]
async fn a_verified_server_serves_and_others_are_not_trusted() {
    let authority = Authority::new();
    let proxy = authority.proxy("localhost", shared().await.port()).await;
    open(&proxy, trusting(&authority)).await.unwrap();
    let (kind, text) = failure(&proxy, trusting(&Authority::new())).await;
    assert!(kind == ErrorKind::Connect && text.contains("certificate"), "{text}");
    let misnamed = authority.proxy("elsewhere", shared().await.port()).await;
    let (kind, text) = failure(&misnamed, trusting(&authority)).await;
    assert!(kind == ErrorKind::Connect && text.contains("certificate"), "{text}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_from_one_file_and_from_two() {
    let authority = Authority::new();
    let proxy = authority.mutual_proxy("localhost", shared().await.port()).await;
    open(&proxy, showing(&authority, "client.pem", "client.key")).await.unwrap();
    open(&proxy, showing(&authority, "both.pem", "both.pem")).await.unwrap();
    let (kind, text) = failure(&proxy, trusting(&authority)).await;
    assert_eq!(kind, ErrorKind::Connect, "{text}");
}

#[tokio::test]
async fn a_bad_file_is_a_configuration_error_that_names_it() {
    let authority = Authority::new();
    let proxy = authority.proxy("localhost", shared().await.port()).await;
    let missing = TlsSettings { ca_file: Some(authority.path("gone.pem")), ..Default::default() };
    let (kind, text) = failure(&proxy, missing).await;
    assert!(kind == ErrorKind::Config && text.contains("gone.pem"), "{text}");
    std::fs::write(authority.path("client.key"), "c4n4ry").unwrap();
    let (kind, text) = failure(&proxy, showing(&authority, "client.pem", "client.key")).await;
    assert!(kind == ErrorKind::Config && !text.contains("c4n4ry"), "{kind} {text}");
}

#[tokio::test]
async fn settings_that_would_have_no_effect_are_refused() {
    let authority = Authority::new();
    let plain = Target::parse("plain", "mongodb://h/").unwrap();
    let error = MongoDb::new(&Target { tls: trusting(&authority), ..plain }).unwrap_err();
    assert!(error.message().contains("add tls=true"), "{error}");
    let secured = Target::parse("half", "mongodb://h/?tls=true").unwrap();
    let half = TlsSettings { key_file: Some("key.pem".into()), ..TlsSettings::default() };
    let error = MongoDb::new(&Target { tls: half, ..secured }).unwrap_err();
    assert!(error.message().contains("set both or neither"), "{error}");
}

//! `rediss://`: verified on both sides, and every way in which it must fail.
//!
//! The real server stands behind a TLS end of the test's own, so that the certificates are too.

mod support;

use qa_redis::redis::{AsyncCommands, RedisError};
use qa_redis::{Redis, Target, TlsSettings};
use qa_resource_core::{Backend, ErrorKind};
use qa_servers::testing::{Silent, within};
use qa_servers::tls::{Authority, Proxy};
use support::shared;

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

async fn open(proxy: &Proxy, tls: TlsSettings) -> Result<qa_redis::Client, RedisError> {
    let server = shared().await;
    let (user, password) = (server.user(), server.password());
    let url = format!("rediss://{user}:{password}@localhost:{}/0", proxy.port());
    let target = Target { tls, ..Target::parse("secured", &url).unwrap() };
    Redis::new(&target).unwrap().connect().await
}

async fn failure(proxy: &Proxy, tls: TlsSettings) -> (ErrorKind, String) {
    let error = open(proxy, tls).await.unwrap_err();
    (Redis::classify(&error).kind, error.to_string())
}

#[tokio::test]
async fn a_verified_server_serves() {
    let authority = Authority::new();
    let proxy = authority.proxy("localhost", shared().await.port()).await;
    let mut client = open(&proxy, trusting(&authority)).await.unwrap();
    assert!(client.protocol().supports_resp3());
    let () = client.set_ex("tls", "value", 60).await.unwrap();
    assert_eq!(client.get::<_, String>("tls").await.unwrap(), "value");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_wanted() {
    let authority = Authority::new();
    let proxy = authority.mutual_proxy("localhost", shared().await.port()).await;
    let mut client = open(&proxy, showing_a_certificate(&authority)).await.unwrap();
    assert!(!client.exists::<_, bool>("nothing").await.unwrap());
    let (kind, text) = failure(&proxy, trusting(&authority)).await;
    assert_eq!(kind, ErrorKind::Connect, "{text}");
}

#[tokio::test]
async fn another_name_and_another_authority_are_not_trusted() {
    let authority = Authority::new();
    let misnamed = authority.proxy("elsewhere", shared().await.port()).await;
    let (kind, text) = failure(&misnamed, trusting(&authority)).await;
    assert!(kind == ErrorKind::Connect && text.contains("not valid for name"), "{text}");

    let proxy = authority.proxy("localhost", shared().await.port()).await;
    let (kind, text) = failure(&proxy, trusting(&Authority::new())).await;
    assert!(kind == ErrorKind::Connect && text.contains("certificate"), "{text}");
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_bad_file_is_named() {
    let authority = Authority::new();
    let proxy = authority.proxy("localhost", shared().await.port()).await;
    let server = shared().await;
    let (user, password) = (server.user(), server.password());
    let url = format!("rediss://{user}:{password}@localhost:{}/0", proxy.port());
    let good = std::fs::read_to_string(authority.path("ca.pem")).unwrap();
    std::fs::write(authority.path("ca.pem"), "c4n4ry").unwrap();
    let target = Target { tls: trusting(&authority), ..Target::parse("renewed", &url).unwrap() };
    let redis = Redis::new(&target).unwrap();
    let error = redis.connect().await.unwrap_err();
    assert_eq!(Redis::classify(&error).kind, ErrorKind::Config, "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("ca.pem") && !text.contains("c4n4ry"), "{text}");
    std::fs::write(authority.path("ca.pem"), &good).unwrap();
    redis.connect().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_finish_the_handshake_is_left_in_time() {
    let silent = Silent::new();
    let url = format!("rediss://127.0.0.1:{}?response_timeout=200ms", silent.port());
    let target = Target::parse("silent", &url).unwrap();
    let redis = Redis::new(&target).unwrap();
    let error = within("an error", support::AT_ONCE, redis.connect()).await.unwrap_err();
    assert_eq!(Redis::classify(&error).kind, ErrorKind::Timeout, "{error}");
}

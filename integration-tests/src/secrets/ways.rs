//! The ways to use a URL, and to fail with one. Each notes everything that the library says.

use super::admit::{Admit, Login, password, user};
use super::canary::{CANARY, every_word};
use crate::{Refused, Rig, Subject, eventually, reaches, servers};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use qa_pool::core::{Secret, Target, TlsSettings};
use qa_pool::{Backend, Config, ErrorKind, ResourcePool, Settings, State};
use qa_servers::Server;
use qa_servers::tls::Authority;
use std::fmt::{Debug, Write as _};
use std::fs;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// A target with a login in it.
fn target(server: &Server, (user, password): Login) -> Target {
    let mut target = Target::parse("secret", &server.url()).unwrap();
    let (user, password) = (Some(Secret::from(user)), Some(Secret::from(password)));
    target.endpoint = target.endpoint.with_credentials(user, password);
    target
}

fn note(said: &mut String, what: &dyn Debug) {
    writeln!(said, "{what:?}\n{what:#?}").unwrap();
}

/// Connects, asks, is frozen out, comes back, closes; and is shown in every way at every step. Gives
/// the password that it did that with.
pub(super) async fn good_use<S: Admit>(said: &mut String) -> String {
    let server = servers::to_break(S::SYSTEM).await;
    let login = S::admit(&server).await;
    let target = target(&server, login.clone());
    note(said, &target);
    let rig = Rig::<S>::of_target(target, Settings::default());
    rig.pool.connect().await.unwrap();
    rig.use_it(1).await.unwrap();
    let lease = rig.group.acquire().await.unwrap();
    note(said, &lease);
    note(said, &rig.status());

    server.freeze().await.unwrap();
    reaches(&rig.group, State::Reconnecting, LIMIT).await;
    said.push_str(&every_word(&rig.group.try_acquire().unwrap_err()));
    note(said, &rig.status());
    note(said, &rig.group.health());
    server.thaw().await.unwrap();
    drop(lease);
    reaches(&rig.group, State::Ready, LIMIT).await;
    rig.use_it(2).await.unwrap();
    note(said, &rig.pool);
    note(said, &rig.group);
    note(said, &rig.group.watch());
    let report = rig.pool.close(LIMIT).await;
    note(said, &report);
    said.push_str(&report.to_string());
    said.push_str(&every_word(&rig.use_it(3).await.unwrap_err()));
    login.1
}

/// Connects, is killed out, comes back, is locked out by another password while it is down, and
/// closes with a lease out, which has to be forced; both passwords are canaries.
pub(super) async fn rotated_password<S: Subject>(said: &mut String) {
    let mut server = servers::to_break(S::SYSTEM).await;
    let password = server.password().to_owned();
    server.change_password(&format!("{CANARY}-1")).await.unwrap();
    let rig = Rig::<S>::connected("rotated", &server.url(), Settings::default()).await;
    rig.use_it(1).await.unwrap();

    server.kill().await.unwrap();
    reaches(&rig.group, State::Reconnecting, LIMIT).await;
    said.push_str(&every_word(&rig.group.try_acquire().unwrap_err()));
    note(said, &rig.status());
    server.start_again().await.unwrap();
    reaches(&rig.group, State::Ready, LIMIT).await;
    rig.use_it(2).await.unwrap();
    let lease = rig.group.acquire().await.unwrap();

    server.change_password(&format!("{CANARY}-2")).await.unwrap();
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    let last_error = || rig.status().last_error.map(|error| (error.kind(), every_word(&error)));
    let refused = async || last_error().is_some_and(|(kind, _)| kind == ErrorKind::Auth);
    eventually("it is locked out", LIMIT, refused).await;
    said.push_str(&last_error().unwrap().1);
    said.push_str(&every_word(&rig.use_it(3).await.unwrap_err()));
    note(said, &rig.status());
    note(said, &rig.group.health());
    note(said, &lease);
    let report = rig.pool.close(Duration::from_secs(1)).await;
    assert!(!report.is_clean(), "a lease is out: {report}");
    note(said, &report);
    said.push_str(&report.to_string());
    drop(lease);
    server.change_password(&password).await.unwrap();
}

/// The canaries again, with another password.
pub(super) async fn wrong_password<S: Subject>(said: &mut String) {
    let server = servers::to_break(S::SYSTEM).await;
    let login = (user(), format!("{CANARY}?"));
    let rig = Rig::<S>::of_target(target(&server, login), Settings::default());
    let error = rig.refused().await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    said.push_str(&every_word(&error));
    note(said, &rig.status());
    rig.close().await;
}

pub(super) async fn refused_port<S: Subject>(said: &mut String) {
    let nobody = Refused::new();
    let url = format!("{}://{}@127.0.0.1:{}", scheme::<S>(), login(), nobody.port());
    let settings = Settings { connect_attempts: 1, ..Settings::default() };
    let rig = Rig::<S>::new("refused", &url, settings);
    said.push_str(&every_word(&rig.refused().await));
    note(said, &rig.status());
    rig.close().await;
}

/// TLS with a private key that is none, and in which there is a canary.
pub(super) async fn unusable_key<S: Subject>(said: &mut String) {
    let (authority, nobody) = (Authority::new(), Refused::new());
    let body = BASE64_STANDARD.encode(CANARY);
    let key = format!("{CANARY}\n-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    fs::write(authority.path("client.key"), &key).unwrap();
    fs::write(authority.path("both.pem"), &key).unwrap();
    let (scheme, query) = match scheme::<S>().as_str() {
        "mongodb" => ("mongodb".to_owned(), "?tls=true"),
        "redis" => ("rediss".to_owned(), ""),
        plain => (format!("{plain}s"), ""),
    };
    let url = format!("{scheme}://{}@127.0.0.1:{}/{query}", login(), nobody.port());
    let mut target = Target::parse("key", &url).unwrap();
    target.tls = TlsSettings {
        ca_file: Some(authority.path("ca.pem")),
        certificate_file: Some(authority.path("client.pem")),
        key_file: Some(authority.path("client.key")),
    };
    let settings = Settings { connect_attempts: 1, ..Settings::default() };
    let rig = Rig::<S>::of_target(target, settings);
    said.push_str(&every_word(&rig.refused().await));
    note(said, &rig.status());
    rig.close().await;
}

/// URLs that can't be used: by themselves, and in a file.
pub(super) fn bad_urls<S: Subject>(said: &mut String) {
    let (scheme, login, raw) = (scheme::<S>(), login(), password());
    for url in [
        format!("{scheme}://{user}:{raw}@h", user = user()),
        format!("{scheme}://{raw}"),
        format!("{scheme}:/{login}@h"),
        format!("{scheme}:{login}@h"),
        format!("{login}@h"),
        format!("{scheme}://{login}@h:{CANARY}"),
        format!("{scheme}://{login}@h:99999"),
        format!("{scheme}://{login}@"),
        format!("{scheme}://%FF{CANARY}@h"),
        format!("{scheme}://{login}@h?{CANARY}"),
        format!("{scheme}://{login}@h/0?no_such_key={CANARY}"),
        format!("{scheme}://{login}@h/0?heartbeat={CANARY}&maxPoolSize={CANARY}"),
        format!("{scheme}://{login}@h/0?keep_alive={CANARY}&response_timeout={CANARY}"),
        format!("mysql://{login}@h"),
    ] {
        said.push_str(&refusal(&url));
    }
}

/// Everything that is said of a URL that a file holds.
fn refusal(url: &str) -> String {
    let file = format!("[[resource]]\nname = 'bad'\nurl = '{url}'\n");
    let parsed = match Target::parse("bad", url) {
        Err(error) => every_word(&error),
        Ok(target) => format!("{target:?}\n"),
    };
    let configured = match Config::from_toml(&file) {
        Err(error) => every_word(&error),
        Ok(config) => {
            let error = ResourcePool::from_config(&config).unwrap_err();
            format!("{config:?}\n{}", every_word(&error))
        }
    };
    parsed + &configured
}

fn scheme<S: Subject>() -> String {
    S::Backend::SYSTEM.replace("rabbitmq", "amqp")
}

/// User and password, percent-encoded.
fn login() -> String {
    let [user, password] =
        [user(), password()].map(|text| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string());
    format!("{user}:{password}")
}

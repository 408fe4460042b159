//! Logins that change while we run.

use crate::management::close_connections;
use crate::support::{
    PATIENCE, close, no_properties, patient, publisher, shared, vhost, with_bars,
};
use qa_amqp::{Queue, RabbitMq, Topology};
use qa_resource_core::{
    Credentials, ErrorKind, Login, Resource, Secret, Settings, State, Target, async_trait,
};
use qa_servers::testing::eventually;
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

/// A vault: it holds the password that is good at the moment, or can't be reached.
#[derive(Default)]
struct Vault {
    user: String,
    password: Mutex<Option<String>>,
    asked: AtomicUsize,
}

impl Vault {
    fn new(user: &str) -> Arc<Self> {
        Arc::new(Self { user: user.to_owned(), ..Self::default() })
    }

    fn hold(&self, password: Option<&str>) {
        let password = password.map(str::to_owned);
        *self.password.lock().unwrap_or_else(PoisonError::into_inner) = password;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Credentials for Vault {
    async fn login(&self) -> Result<Login, Box<dyn Error + Send + Sync>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let password = self.password.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let password = password.ok_or("the vault is sealed")?;
        Ok(Login { user: Secret::from(self.user.as_str()), password: Secret::from(password) })
    }
}

/// Gives the user `user`, who may do everything in `vhost`, a password.
async fn set_password(vhost: &str, user: &str, password: &str) {
    let broker = shared().await;
    let body = format!(r#"{{"password":"{password}","tags":""}}"#);
    broker.manage("PUT", &format!("/api/users/{user}"), &body).await.unwrap();
    let everything = r#"{"configure":".*","write":".*","read":".*"}"#;
    broker.manage("PUT", &format!("/api/permissions/{vhost}/{user}"), everything).await.unwrap();
}

/// The broker closes both connections of a resource. The plugin's list lags behind by some seconds.
async fn both_are_closed(vhost: &str) {
    let server = shared().await;
    eventually("both are closed", PATIENCE, async || close_connections(server, vhost).await == 2)
        .await;
}

/// A resource whose URL has no login that is any good.
fn by_the_vault(url: &str, vault: &Arc<Vault>) -> Resource<RabbitMq> {
    let (_, rest) = url.rsplit_once('@').unwrap();
    let target = Target::parse("vaulted", &format!("amqp://nobody:wrong@{rest}")).unwrap();
    let topology = Topology::new().queue(Queue::new("bars"));
    let backend = RabbitMq::new(&target)
        .unwrap()
        .with_topology(topology)
        .with_credentials(Arc::clone(vault) as Arc<dyn Credentials>);
    let settings = Settings { connect_attempts: 1, ..patient() };
    Resource::new("vaulted", backend, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_is_asked_for_at_each_connect() {
    let url = vhost("vault").await;
    set_password("vault", "rotating", "first").await;
    let vault = Vault::new("rotating");
    vault.hold(Some("first"));
    let resource = by_the_vault(&url, &vault);
    resource.connect().await.unwrap();
    assert_eq!(vault.asked(), 1, "one login for both connections");

    set_password("vault", "rotating", "second").await;
    vault.hold(Some("second"));
    both_are_closed("vault").await;
    eventually("it is back with the new password", PATIENCE, async || {
        resource.status().generation == 2 && resource.state() == State::Ready
    })
    .await;
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_has_the_old_password_or_none_is_asked_again() {
    let url = vhost("sealed").await;
    set_password("sealed", "late", "first").await;
    let vault = Vault::new("late");
    let resource = by_the_vault(&url, &vault);
    let error = resource.connect().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the vault is sealed") && text.contains("vaulted"), "{text}");

    vault.hold(Some("first"));
    resource.connect().await.unwrap();
    set_password("sealed", "late", "second").await;
    let asked = vault.asked();
    both_are_closed("sealed").await;
    eventually("the old password is refused", PATIENCE, async || {
        vault.asked() > asked && resource.state() == State::Reconnecting
    })
    .await;
    vault.hold(Some("second"));
    eventually("it is back", PATIENCE, async || resource.state() == State::Ready).await;
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_is_given_to_a_connection_that_goes_on() {
    let resource = with_bars(&vhost("secret").await).await;
    let publisher = publisher(&resource);
    let lease = resource.acquire().await.unwrap();
    lease.update_secret(&Secret::from("a-newer-token")).await.unwrap();
    let _ = publisher.publish("", "bars", b"x", no_properties()).await.unwrap();
    assert_eq!((lease.messages("bars").await.unwrap(), lease.generation()), (1, 1));
    drop(lease);
    close(resource).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_from_the_vault_is_an_auth_error() {
    let url = vhost("wrong").await;
    set_password("wrong", "mistaken", "right").await;
    let vault = Vault::new("mistaken");
    vault.hold(Some("c4n4ry"));
    let error = by_the_vault(&url, &vault).connect().await.unwrap_err();
    assert_eq!((error.kind(), vault.asked()), (ErrorKind::Auth, 1), "{error}");
    assert!(!format!("{error} {error:?}").contains("c4n4ry"));
}

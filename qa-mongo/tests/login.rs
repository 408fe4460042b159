//! Logins that change while we run.

mod common;

use common::{PATIENCE, Watcher, target};
use mongodb::bson::{Document, doc};
use qa_mongo::{MongoDb, mongodb};
use qa_resource_core::{
    Backend, Credentials, ErrorKind, Lease, Login, Resource, Secret, Settings, State, async_trait,
};
use qa_servers::testing::eventually;
use qa_servers::{Server, System};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A vault: it holds the password that is good at the moment, or can't be reached.
struct Vault {
    user: String,
    password: Mutex<Option<String>>,
}

impl Vault {
    fn hold(&self, password: Option<&str>) {
        *self.password.lock().unwrap() = password.map(str::to_owned);
    }
}

#[async_trait]
impl Credentials for Vault {
    async fn login(&self) -> Result<Login, Box<dyn Error + Send + Sync>> {
        let password = self.password.lock().unwrap().clone().ok_or("the vault is sealed")?;
        Ok(Login { user: Secret::from(self.user.as_str()), password: Secret::from(password) })
    }
}

/// A resource whose URL has no login that is any good.
fn by_the_vault(server: &Server, vault: &Arc<Vault>) -> Resource<MongoDb> {
    let url = server.url();
    let (_, rest) = url.rsplit_once('@').unwrap();
    let target = target("vaulted", &format!("mongodb://nobody:wrong@{rest}"));
    let mongo = MongoDb::new(&target).unwrap().with_credentials(Arc::clone(vault) as _);
    let settings = Settings {
        connect_attempts: 1,
        backoff_cap: Duration::from_secs(1),
        ..Settings::default()
    };
    Resource::new("vaulted", mongo, settings)
}

async fn write(lease: Lease<MongoDb>) -> mongodb::error::Result<()> {
    let rotated = MongoDb::database(&lease).collection::<Document>("rotated");
    rotated.insert_one(doc! {}).await.map(drop)
}

#[tokio::test]
async fn a_login_that_was_changed_is_asked_for_when_the_old_one_is_refused() {
    let mut server = Server::start_owned(System::MongoDb).await.unwrap();
    let vault = Arc::new(Vault { user: server.user().to_owned(), password: Mutex::default() });
    let quotes = by_the_vault(&server, &vault);
    let error = quotes.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("the vault is sealed"), "{error}");
    vault.hold(Some(server.password()));
    quotes.connect().await.unwrap();
    quotes.run(write).await.unwrap();

    server.change_password("second").await.unwrap();
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    let refused =
        async || quotes.status().last_error.is_some_and(|error| error.kind() == ErrorKind::Auth);
    eventually("the old one is refused", PATIENCE, refused).await;
    vault.hold(Some("second"));
    eventually("it is back", PATIENCE, async || quotes.state() == State::Ready).await;
    quotes.run(write).await.unwrap();
    let report = quotes.close(PATIENCE).await;
    assert!(report.is_clean(), "{report}");
    Watcher::new(&server).await.sees_none_of("vaulted").await;
    server.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_changed_under_load_and_no_operation_fails() {
    let mut server = Server::start_owned(System::MongoDb).await.unwrap();
    let vault = Arc::new(Vault { user: server.user().to_owned(), password: Mutex::default() });
    vault.hold(Some(server.password()));
    let quotes = by_the_vault(&server, &vault);
    quotes.connect().await.unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let over = CancellationToken::new();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (quotes, done, over) = (quotes.clone(), Arc::clone(&done), over.clone());
            tokio::spawn(async move {
                while !over.is_cancelled() {
                    quotes.run(write).await.unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let so_many_more = async || {
        let begun = done.load(Ordering::SeqCst);
        eventually("writes go on", PATIENCE, async || done.load(Ordering::SeqCst) > begun + 50)
            .await;
    };
    so_many_more().await;
    // Held over the change: what is under way on it goes on.
    let old = quotes.acquire().await.unwrap();
    server.change_password("second").await.unwrap();
    vault.hold(Some("second"));
    quotes.reconnect();
    let fresh = async || quotes.status().generation == 2 && quotes.state() == State::Ready;
    eventually("there is a fresh client", PATIENCE, fresh).await;
    so_many_more().await;
    old.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    let client = old.clone();
    drop(old);
    let closed = async || {
        let ping = client.database("admin").run_command(doc! { "ping": 1 }).await;
        ping.is_err_and(|error| MongoDb::classify(&error).kind == ErrorKind::Closed)
    };
    eventually("the old one is closed", PATIENCE, closed).await;
    so_many_more().await;
    over.cancel();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(quotes.close(PATIENCE).await.is_clean());
    Watcher::new(&server).await.sees_none_of("vaulted").await;
    server.remove().await;
}

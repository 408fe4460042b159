//! A user whose name and password are canaries, on each server.

use crate::canary::CANARY;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use integration_tests::{ClickHouse, MongoDb, RabbitMq, Redis, Rig, Subject};
use qa_pool::core::async_trait;
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::redis::redis;
use qa_pool::{Group, Settings};
use qa_servers::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The user's name.
pub(crate) fn user() -> String {
    format!("{CANARY}-user")
}

/// The password: what has to be percent-encoded is in it.
pub(crate) fn password() -> String {
    format!("{CANARY}/p@ss")
}

/// A user's name and password.
pub(crate) type Login = (String, String);

/// The canaries' login.
fn canaries() -> Login {
    (user(), password())
}

/// A subject that can make a user who may do everything.
#[async_trait]
pub(crate) trait Admit: Subject {
    /// Makes the user; gives its login.
    async fn admit(server: &Server) -> Login;
}

/// A connection of the server's own user.
async fn admin<S: Subject>(server: &Server) -> Group<S::Backend> {
    Rig::<S>::connected("admin", &server.url(), Settings::default()).await.group
}

#[async_trait]
impl Admit for Redis {
    async fn admit(server: &Server) -> Login {
        let rule = format!(">{}", password());
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg(user()).arg(&["on", &rule, "~*", "&*", "+@all"]);
        let lease = admin::<Self>(server).await.acquire().await.unwrap();
        set.exec_async(&mut lease.clone()).await.unwrap();
        canaries()
    }
}

#[async_trait]
impl Admit for MongoDb {
    async fn admit(server: &Server) -> Login {
        let lease = admin::<Self>(server).await.acquire().await.unwrap();
        let create = doc! { "createUser": user(), "pwd": password(), "roles": ["root"] };
        lease.database("admin").run_command(create).await.unwrap();
        canaries()
    }
}

#[async_trait]
impl Admit for ClickHouse {
    async fn admit(server: &Server) -> Login {
        // It takes no users but those of its configuration; that one's password is random, too.
        (server.user().to_owned(), server.password().to_owned())
    }
}

#[async_trait]
impl Admit for RabbitMq {
    async fn admit(server: &Server) -> Login {
        let password = password();
        let body = format!(r#"{{"password":"{password}","tags":"administrator"}}"#);
        put(server, &format!("users/{}", user()), &body).await;
        let everything = r#"{"configure":".*","write":".*","read":".*"}"#;
        put(server, &format!("permissions/%2F/{}", user()), everything).await;
        canaries()
    }
}

/// Puts something through `RabbitMQ`'s management plugin.
async fn put(server: &Server, what: &str, body: &str) {
    let login = BASE64_STANDARD.encode(format!("{}:{}", server.user(), server.password()));
    let request = format!(
        "PUT /api/{what} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {login}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.host(),
        body.len()
    );
    let address = (server.host(), server.management_port().unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 2") || answer.starts_with("HTTP/1.0 2"), "{answer}");
}

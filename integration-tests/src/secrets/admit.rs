//! A user whose name and password are canaries, on each server.

use super::CANARY;
use crate::{ClickHouse, MongoDb, RabbitMq, Redis, Rig, Subject, management};
use qa_pool::core::async_trait;
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::redis::redis;
use qa_pool::{Group, Settings};
use qa_servers::Server;

/// The user's name.
pub(super) fn user() -> String {
    format!("{CANARY}-user")
}

/// The password: what has to be percent-encoded is in it.
pub(super) fn password() -> String {
    format!("{CANARY}/p@ss")
}

/// A user's name and password.
pub type Login = (String, String);

/// The canaries' login.
fn canaries() -> Login {
    (user(), password())
}

/// A subject that can make a user who may do everything.
#[async_trait]
pub trait Admit: Subject {
    /// Makes the user; gives its login.
    ///
    /// # Panics
    /// Where the server makes none.
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
        management(server, "PUT", &format!("users/{}", user()), &body).await;
        let everything = r#"{"configure":".*","write":".*","read":".*"}"#;
        let path = format!("permissions/%2F/{}", user());
        management(server, "PUT", &path, everything).await;
        canaries()
    }
}

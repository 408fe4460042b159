//! Logins that are changed while they are used, in files as they are mounted.

use crate::{MongoDb, RabbitMq, Redis, Rig, Subject, management};
use qa_pool::core::async_trait;
use qa_pool::mongo::mongodb::bson::doc;
use qa_pool::redis::redis;
use qa_pool::{Config, Group, Settings};
use qa_servers::Server;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A subject whose server takes users that come and go while it runs, so that an old login and a new
/// one are good at once.
#[async_trait]
pub trait Users: Subject {
    /// Makes a user who may do everything in the corner of the server that [`Subject::url`] gives `name`.
    ///
    /// # Panics
    /// Where the server makes none.
    async fn add_user(server: &Server, name: &str, user: &str, password: &str);

    /// Takes the user away, and with it what the server lets it do on connections that are open.
    ///
    /// # Panics
    /// Where the server does not.
    async fn remove_user(server: &Server, user: &str);

    /// How many connections the server has on which this user is logged in.
    ///
    /// # Panics
    /// Where the server does not say.
    async fn connections_of(server: &Server, user: &str) -> usize;
}

/// A connection of the server's own user.
async fn admin<S: Subject>(server: &Server) -> Group<S::Backend> {
    Rig::<S>::connected("admin", &server.url(), Settings::default()).await.group
}

#[async_trait]
impl Users for Redis {
    async fn add_user(server: &Server, _: &str, user: &str, password: &str) {
        let mut set = redis::cmd("ACL");
        let password = format!(">{password}");
        set.arg("SETUSER").arg(user).arg(&["on", &password, "~*", "&*", "+@all"]);
        let lease = admin::<Self>(server).await.acquire().await.unwrap();
        set.exec_async(&mut lease.clone()).await.unwrap();
    }

    async fn remove_user(server: &Server, user: &str) {
        let mut remove = redis::cmd("ACL");
        remove.arg("DELUSER").arg(user);
        let lease = admin::<Self>(server).await.acquire().await.unwrap();
        remove.exec_async(&mut lease.clone()).await.unwrap();
    }

    async fn connections_of(server: &Server, user: &str) -> usize {
        let mut list = redis::cmd("CLIENT");
        list.arg("LIST");
        let lease = admin::<Self>(server).await.acquire().await.unwrap();
        let clients: String = list.query_async(&mut lease.clone()).await.unwrap();
        let is_theirs =
            |client: &&str| client.split(' ').any(|field| field == format!("user={user}"));
        clients.lines().filter(is_theirs).count()
    }
}

#[async_trait]
impl Users for MongoDb {
    async fn add_user(server: &Server, _: &str, user: &str, password: &str) {
        let lease = admin::<Self>(server).await.acquire().await.unwrap();
        let create = doc! { "createUser": user, "pwd": password, "roles": ["root"] };
        lease.database("admin").run_command(create).await.unwrap();
    }

    async fn remove_user(server: &Server, user: &str) {
        let lease = admin::<Self>(server).await.acquire().await.unwrap();
        lease.database("admin").run_command(doc! { "dropUser": user }).await.unwrap();
    }

    async fn connections_of(server: &Server, user: &str) -> usize {
        let lease = admin::<Self>(server).await.acquire().await.unwrap();
        let which = doc! { "allUsers": true, "idleConnections": true, "idleSessions": false };
        let theirs = doc! { "effectiveUsers.user": user };
        let stages = [doc! { "$currentOp": which }, doc! { "$match": theirs }];
        let mut found = lease.database("admin").aggregate(stages).await.unwrap();
        let mut count = 0;
        while found.advance().await.unwrap() {
            count += 1;
        }
        count
    }
}

#[async_trait]
impl Users for RabbitMq {
    async fn add_user(server: &Server, name: &str, user: &str, password: &str) {
        let body = format!(r#"{{"password":"{password}","tags":""}}"#);
        management(server, "PUT", &format!("users/{user}"), &body).await;
        let everything = r#"{"configure":".*","write":".*","read":".*"}"#;
        management(server, "PUT", &format!("permissions/{name}/{user}"), everything).await;
    }

    async fn remove_user(server: &Server, user: &str) {
        management(server, "DELETE", &format!("users/{user}"), "").await;
    }

    async fn connections_of(server: &Server, user: &str) -> usize {
        // Not from the list of all connections: that one gets to know of a connection only seconds later.
        let theirs = management(server, "GET", &format!("connections/username/{user}"), "").await;
        let theirs: Vec<serde_json::Value> = serde_json::from_str(&theirs).unwrap();
        theirs.len()
    }
}

/// A user and a password in a file each, as they are mounted.
#[derive(Debug)]
pub struct Mounted(TempDir);

impl Mounted {
    /// Files with this login.
    ///
    /// # Panics
    /// Where there is no room for them.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        let mounted = Self(tempfile::tempdir().unwrap());
        mounted.write(user, password);
        mounted
    }

    /// Another login. Each file is replaced as a whole, as those who mount secrets do.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn write(&self, user: &str, password: &str) {
        for (file, content) in [(self.user(), user), (self.password(), password)] {
            let next = file.with_extension("next");
            fs::write(&next, format!("{content}\n")).unwrap();
            fs::rename(next, file).unwrap();
        }
    }

    fn user(&self) -> PathBuf {
        self.0.path().join("user")
    }

    /// The file with the password.
    #[must_use]
    pub fn password(&self) -> PathBuf {
        self.0.path().join("password")
    }

    /// The text of a configuration's resource at `url`, whose own login is not used.
    #[must_use]
    pub fn resource(&self, name: &str, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let shown = |path: &Path| path.display().to_string();
        format!(
            "[[resource]]\nname = '{name}'\nurl = '{scheme}://{place}'\nuser_file = '{}'\n\
             password_file = '{}'\n",
            shown(&self.user()),
            shown(&self.password())
        )
    }

    /// The same as a configuration.
    ///
    /// # Panics
    /// Where the URL is none.
    #[must_use]
    pub fn config(&self, name: &str, url: &str) -> Config {
        Config::from_toml(&self.resource(name, url)).unwrap()
    }
}

//! The servers of a test binary: per kind one to share, and one to break.

use crate::{Subject, connections, eventually};
use qa_servers::cluster::{MongoReplicaSet, RedisCluster};
use qa_servers::tls::Authority;
use qa_servers::{Error, Server, System};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// How long the connections of a test that ended may take to go.
const LEFTOVERS: Duration = Duration::from_secs(30);

/// How a server is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// It speaks TLS.
    Tls,
    /// All of a cluster: of a Redis Cluster, or of a MongoDB replica set.
    Cluster,
}

/// What server is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    system: System,
    form: Form,
}

/// There are so many kinds, most of them never started.
const KINDS: usize = 12;

impl Kind {
    /// That of a subject.
    #[must_use]
    pub fn of<S: Subject + ?Sized>() -> Self {
        Self { system: S::SYSTEM, form: S::FORM }
    }

    fn index(self) -> usize {
        let system = match self.system {
            System::MongoDb => 0,
            System::RabbitMq => 1,
            System::ClickHouse => 2,
            System::Redis => 3,
        };
        let form = match self.form {
            Form::Plain => 0,
            Form::Tls => 1,
            Form::Cluster => 2,
        };
        4 * form + system
    }

    /// Starts one, which may be broken.
    async fn start(self) -> Result<Server, Error> {
        match self.form {
            Form::Plain => Server::start_owned(self.system).await,
            Form::Tls => start_tls(self.system).await,
            Form::Cluster if self.system == System::MongoDb => MongoReplicaSet::lone().await,
            Form::Cluster => RedisCluster::lone().await,
        }
    }
}

impl From<System> for Kind {
    fn from(system: System) -> Self {
        Self { system, form: Form::Plain }
    }
}

/// The server that tests share; nobody breaks it. The environment may name a plain one, see the README.
///
/// # Panics
/// Where there is none to be had: a missing server is a failure.
pub async fn shared(kind: impl Into<Kind>) -> &'static Server {
    static SERVERS: [OnceCell<Server>; KINDS] = [const { OnceCell::const_new() }; KINDS];
    let kind = kind.into();
    let start = || async move {
        match kind.form {
            Form::Plain => Server::start(kind.system).await,
            Form::Tls | Form::Cluster => kind.start().await,
        }
    };
    let server = SERVERS[kind.index()].get_or_try_init(start);
    server.await.unwrap_or_else(|error| panic!("{error}"))
}

/// The server that tests break, one at a time: the others wait. It comes as it should be, running,
/// thawed and without a client, whatever the test before did to it.
///
/// It is one server and not one per test because a start of `RabbitMQ` takes 5 to 20 s.
///
/// # Panics
/// Where there is none to be had, or a test before left connections behind.
pub async fn to_break(kind: impl Into<Kind>) -> MutexGuard<'static, Server> {
    static SERVERS: [OnceCell<Mutex<Server>>; KINDS] = [const { OnceCell::const_new() }; KINDS];
    let kind = kind.into();
    let start = || async move { kind.start().await.map(Mutex::new) };
    let server = SERVERS[kind.index()].get_or_try_init(start).await;
    let server = server.unwrap_or_else(|error| panic!("{error}")).lock().await;
    server.thaw().await.unwrap();
    server.start_again().await.unwrap();
    eventually("nobody is connected to it", LEFTOVERS, async || connections(server.port()) == 0)
        .await;
    server
}

/// A file without a name, which so goes with this process.
fn authorities_file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| tempfile::tempfile().unwrap())
}

/// Where the certificates of all authorities are that have signed for servers of this process.
///
/// # Panics
/// Where there is no room for it.
#[must_use]
pub fn authorities() -> PathBuf {
    format!("/proc/self/fd/{}", authorities_file().as_raw_fd()).into()
}

async fn start_tls(system: System) -> Result<Server, Error> {
    let authority = Authority::new();
    let certificate = std::fs::read(authority.path("ca.pem")).unwrap();
    // In one piece: another may be read at the same time.
    authorities_file().write_all(&certificate).unwrap();
    Server::start_tls(system, &authority).await
}

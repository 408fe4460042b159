//! The servers of a test binary: per system one to share, and one to break.

use crate::{connections, eventually};
use qa_servers::{Server, System};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// How long the connections of a test that ended may take to go.
const LEFTOVERS: Duration = Duration::from_secs(30);

/// The server that tests share; nobody breaks it. The environment may name it, see the README.
///
/// # Panics
/// Where there is none to be had: a missing server is a failure.
pub async fn shared(system: System) -> &'static Server {
    static SERVERS: [OnceCell<Server>; 4] = [const { OnceCell::const_new() }; 4];
    let server = SERVERS[index(system)].get_or_try_init(|| Server::start(system));
    server.await.unwrap_or_else(|error| panic!("{error}"))
}

/// The server that tests break, one at a time: the others wait. It comes as it should be, running,
/// thawed and without a client, whatever the test before did to it.
///
/// It is one server and not one per test because a start of `RabbitMQ` takes 5 to 20 s.
///
/// # Panics
/// Where there is none to be had, or a test before left connections behind.
pub async fn to_break(system: System) -> MutexGuard<'static, Server> {
    static SERVERS: [OnceCell<Mutex<Server>>; 4] = [const { OnceCell::const_new() }; 4];
    let start = || async { Server::start_owned(system).await.map(Mutex::new) };
    let server = SERVERS[index(system)].get_or_try_init(start).await;
    let server = server.unwrap_or_else(|error| panic!("{error}")).lock().await;
    server.thaw().await.unwrap();
    server.start_again().await.unwrap();
    eventually("nobody is connected to it", LEFTOVERS, async || connections(server.port()) == 0)
        .await;
    server
}

fn index(system: System) -> usize {
    match system {
        System::MongoDb => 0,
        System::RabbitMq => 1,
        System::ClickHouse => 2,
        System::Redis => 3,
    }
}

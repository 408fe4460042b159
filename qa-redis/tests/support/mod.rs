//! What the tests on a real server share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary is its own crate and uses some of it"
)]

use qa_redis::redis::{self, AsyncCommands};
use qa_redis::{Client, Redis, Target};
use qa_resource_core::Backend;
use qa_servers::{Server, System};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Within this something that happens "at once" has happened, on a busy machine too.
pub const AT_ONCE: Duration = Duration::from_secs(1);

/// The server that the tests of this binary share; none of them breaks it.
pub async fn shared() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(|| async { Server::start(System::Redis).await.unwrap() }).await
}

/// A server of the test's own, to be broken.
pub async fn owned() -> Server {
    Server::start_owned(System::Redis).await.unwrap()
}

pub fn backend(name: &str, url: &str) -> Redis {
    Redis::new(&Target::parse(name, url).unwrap()).unwrap()
}

pub async fn connect(name: &str, url: &str) -> Client {
    backend(name, url).connect().await.unwrap()
}

/// The server's connections that carry this name.
pub async fn connections(watcher: &mut Client, name: &str) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(watcher).await.unwrap();
    list.lines().filter(|line| line.contains(&format!(" name={name} "))).count()
}

/// Has the server cut the connection, as another user of it would.
pub async fn cut(watcher: &mut Client, victim: &mut Client) {
    let id: u64 = redis::cmd("CLIENT").arg("ID").query_async(victim).await.unwrap();
    let killed: u64 =
        redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async(watcher).await.unwrap();
    assert_eq!(killed, 1);
}

/// How many times these servers have been asked for the length of a value.
pub async fn lengths_asked_of(nodes: &[&Server]) -> u64 {
    let mut sum = 0;
    for node in nodes {
        let mut watcher = connect("watcher", &node.url()).await;
        let mut info = redis::cmd("INFO");
        let info: String = info.arg("commandstats").query_async(&mut watcher).await.unwrap();
        let line = info.lines().find(|line| line.starts_with("cmdstat_strlen:"));
        let calls = line.and_then(|line| line.split("calls=").nth(1)?.split(',').next());
        sum += calls.map_or(0, |calls| calls.parse::<u64>().unwrap());
    }
    sum
}

/// Works until the command is answered.
pub async fn answers(client: &mut Client) -> bool {
    client.exists::<_, bool>("nothing").await.is_ok()
}

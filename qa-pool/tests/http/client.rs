//! A client of the endpoints, and pools to ask them about.

use qa_pool::http::{Http, Prometheus};
use qa_pool::{Config, ResourcePool};
use qa_servers::Server;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Asks for a path, as something that takes `accept`.
pub(crate) async fn get_as(address: SocketAddr, path: &str, accept: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let words = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    get_as(address, path, "*/*").await
}

/// A resource of a configuration.
pub(crate) fn resource(name: &str, url: &str, more: &str) -> String {
    format!("[[resource]]\nname = '{name}'\nurl = '{url}'\n{more}\n")
}

pub(crate) fn config(servers: &[Server]) -> String {
    let mut config = String::new();
    for server in servers {
        let resource = resource(&server.system().to_string(), &server.url(), "");
        config.write_str(&resource).unwrap();
    }
    config
}

/// The process's recorder, installed once.
pub(crate) fn prometheus() -> &'static Prometheus {
    static PROMETHEUS: OnceLock<Prometheus> = OnceLock::new();
    PROMETHEUS.get_or_init(|| Prometheus::install().unwrap())
}

/// A pool with its endpoints.
pub(crate) struct Served {
    pub(crate) pool: ResourcePool,
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<()>,
}

impl Served {
    /// Begins to connect; who is away is no reason to wait.
    pub(crate) async fn new(config: &str) -> Self {
        let pool = ResourcePool::from_config(&Config::from_toml(config).unwrap()).unwrap();
        let http = Http::new(&pool).with_prometheus(prometheus());
        let server = http.bind("127.0.0.1:0").await.unwrap();
        let address = server.address();
        let task = tokio::spawn(server.run());
        let _ = pool.connect().await;
        Self { pool, address, task }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(self.address, path).await
    }

    pub(crate) async fn end(self) {
        assert!(self.pool.close(LIMIT).await.is_clean());
        self.task.await.unwrap();
    }
}

//! How long the HTTP endpoints take to answer, with the four real servers behind them: what
//! docs/operations.md shows. One client, one connection that is kept alive, one request after the other.
//!
//! `cargo run --release -p qa-pool --features http,mongo,amqp,clickhouse,redis --example answer_times`

use qa_pool::http::{Http, Prometheus};
use qa_pool::{Config, ResourcePool, State};
use qa_servers::{Server, System};
use std::error::Error;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const REQUESTS: usize = 1000;
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let prometheus = Prometheus::install()?;
    let mut servers = Vec::new();
    let mut config = String::new();
    for system in System::ALL {
        let server = Server::start_owned(system).await?;
        writeln!(config, "[[resource]]\nname = '{system}'\nurl = '{}'", server.url())?;
        servers.push(server);
    }
    let pool = ResourcePool::from_config(&Config::from_toml(&config)?)?;
    pool.connect().await?;
    let endpoints = Http::new(&pool).with_prometheus(&prometheus).bind("127.0.0.1:0").await?;
    let address = endpoints.address();
    let serving = tokio::spawn(endpoints.run());

    println!("all four ready");
    for path in ["/livez", "/readyz", "/status", "/status.html", "/metrics"] {
        measure(address, path).await?;
    }
    let mut events = pool.events();
    for server in &servers {
        server.freeze().await?;
    }
    while pool.status().iter().any(|status| status.state == State::Ready) {
        tokio::time::timeout(LIMIT, events.next()).await?;
    }
    println!("all four frozen");
    measure(address, "/livez").await?;
    measure(address, "/readyz").await?;
    for server in &servers {
        server.thaw().await?;
    }
    pool.close(LIMIT).await;
    serving.await?;
    for server in servers {
        server.remove().await;
    }
    Ok(())
}

async fn measure(address: SocketAddr, path: &str) -> Result<(), Box<dyn Error>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut times = Vec::new();
    for _ in 0..REQUESTS {
        let began = Instant::now();
        ask(&mut stream, path).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let (half, tail) = (times[REQUESTS / 2], times[REQUESTS * 99 / 100 - 1]);
    println!("{path}: p50 {half:.0?}, p99 {tail:.0?}, max {:.0?}", times[REQUESTS - 1]);
    Ok(())
}

/// One request and the whole of its answer.
async fn ask(stream: &mut BufReader<TcpStream>, path: &str) -> Result<(), Box<dyn Error>> {
    let words = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    stream.write_all(words.as_bytes()).await?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse()?;
        }
        if line == "\r\n" || line.is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    Ok(())
}

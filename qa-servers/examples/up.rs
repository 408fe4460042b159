//! Starts one server, prints its URL and keeps it until Ctrl-C.
//!
//! `cargo run -p qa-servers --example up -- redis`

use std::time::Instant;

use qa_servers::{Server, System};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: up mongodb|rabbitmq|clickhouse|redis")?;
    let start = Instant::now();
    let server = Server::start(name.parse::<System>()?).await?;
    eprintln!(
        "{name} ({}) is up after {:.1?}; Ctrl-C removes it",
        server.provider(),
        start.elapsed()
    );
    println!("{}", server.url());
    tokio::signal::ctrl_c().await?;
    server.remove().await;
    Ok(())
}

//! Starts one server, prints its URL and keeps it until Ctrl-C.
//!
//! `cargo run -p qa-servers -- redis`

use std::time::Instant;

use qa_servers::{Error, Server, System};

const USAGE: &str = "usage: qa-server mongodb|rabbitmq|clickhouse|redis";

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let Some(name) = std::env::args().nth(1).filter(|name| !name.starts_with('-')) else {
        eprintln!("{USAGE}");
        return 2.into();
    };
    match run(&name).await {
        Ok(()) => 0.into(),
        Err(error @ Error::UnknownName { .. }) => {
            eprintln!("qa-server: {error}");
            2.into()
        }
        Err(error) => {
            eprintln!("qa-server: {error}");
            1.into()
        }
    }
}

async fn run(name: &str) -> Result<(), Error> {
    let start = Instant::now();
    let server = Server::start(name.parse::<System>()?).await?;
    let (provider, took) = (server.provider(), start.elapsed());
    eprintln!("{name} ({provider}) is up after {took:.1?}; Ctrl-C removes it");
    println!("{}", server.url());
    // Without a signal handler there is no Ctrl-C to wait for; the watchdog cleans up.
    let _ = tokio::signal::ctrl_c().await;
    server.remove().await;
    Ok(())
}

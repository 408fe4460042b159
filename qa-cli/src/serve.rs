//! `qa serve`: health, status and metrics of what is configured, over HTTP.

use crate::looking::look_on;
use crate::output::say;
use crate::signals::interrupted;
use crate::source::{Source, pool};
use anyhow::{Context, bail};
use clap::Args;
use qa_pool::http::{ADDRESS, Http, Prometheus};
use std::net::SocketAddr;
use std::time::Duration;

const EXAMPLES: &str = "Examples:
  qa serve qa.toml                           on 127.0.0.1:9464
  qa serve qa.toml --listen 0.0.0.0:9464     for everybody who reaches this machine
  curl http://127.0.0.1:9464/readyz          is everything there that is required?
  curl http://127.0.0.1:9464/metrics         for Prometheus

It connects what is configured and keeps trying what is not there. SIGTERM and SIGINT end it in order; a
second one ends it at once. State changes are logged on standard error. A RabbitMQ broker is sent an empty
message that goes to no queue, every 5 s: it tells of an alarm only those who publish.

Exit codes: 0 ended well, 1 could not listen or had to force something, 2 bad usage or configuration.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    #[command(flatten)]
    source: Source,
    /// Where to listen; port 0 is any that is free
    #[arg(long, default_value_t = ADDRESS, value_name = "ADDRESS")]
    listen: SocketAddr,
}

pub(crate) async fn run(options: Serve) -> anyhow::Result<()> {
    let config = options.source.read()?;
    let prometheus = Prometheus::install()?;
    let pool = pool(&config)?;
    let http = Http::new(&pool).with_prometheus(&prometheus);
    let server = http.bind(options.listen).await;
    let server = server.with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = server.address();
    say!("http://{address}/ has the page; /livez /readyz /status /metrics are beside it");
    let serving = tokio::spawn(server.run());
    let looking = tokio::spawn(look_on(pool.clone()));
    interrupted().await;
    let report = tokio::select! {
        report = pool.close(config.shutdown_timeout) => report,
        () = interrupted() => pool.close(Duration::ZERO).await,
    };
    // Both end with the pool's closing.
    let _ = tokio::join!(serving, looking);
    say!("{report}");
    if !report.is_clean() {
        bail!("the shutdown had to force something");
    }
    Ok(())
}

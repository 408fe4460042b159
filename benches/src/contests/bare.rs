//! The bare drivers, set up as ours sets them up: the same limits and socket options.

use anyhow::{Context, Result};
use qa_pool::amqp::lapin::{self, ConnectionProperties};
use qa_pool::clickhouse::clickhouse;
use qa_pool::mongo::mongodb::{self, options::ClientOptions};
use qa_pool::redis::redis::aio::MultiplexedConnection;
use qa_pool::redis::redis::io::tcp::TcpSettings;
use qa_pool::redis::redis::{self, AsyncConnectionConfig, IntoConnectionInfo};
use std::time::Duration;

/// The connections of MongoDB's pool, which ours has by default.
const POOL: u32 = 100;

pub(crate) async fn redis(url: &str) -> Result<MultiplexedConnection> {
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = format!("{url}?protocol=resp3").into_connection_info()?;
    let client = redis::Client::open(info.set_tcp_settings(tcp))?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(2)));
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

pub(crate) async fn mongo(url: &str) -> Result<mongodb::Client> {
    let mut options = ClientOptions::parse(url).await?;
    options.max_pool_size = Some(POOL);
    Ok(mongodb::Client::with_options(options)?)
}

pub(crate) async fn rabbit(url: &str) -> Result<lapin::Connection> {
    Ok(lapin::Connection::connect(url, ConnectionProperties::default()).await?)
}

/// It connects with its first query.
pub(crate) fn clickhouse(url: &str) -> Result<clickhouse::Client> {
    // clickhouse://user:password@host:port/database
    let rest = url.strip_prefix("clickhouse://").context("no URL of ClickHouse")?;
    let (login, rest) = rest.split_once('@').context("no login in the URL")?;
    let (user, password) = login.split_once(':').context("no password in the URL")?;
    let (host, database) = rest.split_once('/').unwrap_or((rest, "default"));
    let client = clickhouse::Client::default().with_url(format!("http://{host}"));
    Ok(client.with_user(user).with_password(password).with_database(database))
}

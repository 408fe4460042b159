//! The HTTP client underneath, with the limits that the official client does not set.

use crate::url::Url;
use clickhouse::Client;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// Limit for one TCP connect. The official client has none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle connections that are kept.
pub(crate) const MAX_IDLE: u32 = 32;

/// After this long without a byte the other side is asked whether it is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE_RETRIES: u32 = 3;

pub(crate) fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    connector.set_keepalive(Some(TCP_KEEPALIVE));
    connector.set_keepalive_interval(Some(TCP_KEEPALIVE_INTERVAL));
    connector.set_keepalive_retries(Some(TCP_KEEPALIVE_RETRIES));
    connector
}

/// A client that has not spoken to anybody yet.
pub(crate) fn client<C>(connector: C, url: &Url) -> Client
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let http = HyperClient::builder(TokioExecutor::new())
        // Without the timer an idle connection is closed only when the next one is looked for.
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(url.idle)
        .pool_max_idle_per_host(MAX_IDLE as usize)
        .build(connector);
    Client::with_http_client(http)
}

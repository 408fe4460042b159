//! Servers that speak TLS themselves.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Authority, Credentials};
use crate::environment::forced_provider;
use crate::process::{Process, secure};
use crate::server::Host;
use crate::{Error, Provider, Server, System};

impl Server {
    /// Starts a server of the caller's own whose clients speak TLS, with a certificate of
    /// `authority` for `localhost` and `127.0.0.1`. It lets in clients without a certificate.
    ///
    /// [`url`](Server::url) is then `mongodb://…&tls=true`, `amqps://…`, `clickhouses://…` or
    /// `rediss://…`, and a client of it has to trust the authority's `ca.pem`. All else is as
    /// with [`start_owned`](Server::start_owned), RabbitMQ's management plugin included, which
    /// goes on without TLS. The authority may be dropped before the server.
    ///
    /// MongoDB, RabbitMQ and Redis speak TLS themselves. ClickHouse's engine can't here: a process
    /// that does stands in front of it, and dies, freezes and starts again with it.
    ///
    /// # Errors
    ///
    /// As [`start`](Server::start); [`Error::Unsupported`] where `QA_TEST_PROVIDER` forces another
    /// provider than a process.
    ///
    /// # Panics
    ///
    /// Where a certificate can't be made.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start_tls(system: System, authority: &Authority) -> Result<Self, Error> {
        start(system, authority.credentials(false)).await
    }

    /// As [`start_tls`](Server::start_tls), but the server lets in only clients that show a
    /// certificate of `authority`, such as its `client.pem`.
    ///
    /// # Errors
    ///
    /// As [`start_tls`](Server::start_tls).
    ///
    /// # Panics
    ///
    /// Where a certificate can't be made.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start_mutual_tls(system: System, authority: &Authority) -> Result<Self, Error> {
        start(system, authority.credentials(true)).await
    }
}

async fn start(system: System, credentials: Credentials) -> Result<Server, Error> {
    if let Some(provider) = forced_provider()?.filter(|forced| *forced != Provider::Process) {
        return Err(Error::Unsupported {
            system,
            provider,
            what: "speak tls",
            reason: "its certificates are given to processes only; \
                     leave QA_TEST_PROVIDER unset, or set it to process",
        });
    }
    let credentials = Arc::new(credentials);
    let prepare = |home: &_| secure::prepare(system, home, &credentials);
    let (process, address) = Process::start_from(system, prepare).await?;
    Ok(Server { address, host: Host::Process(Box::new(Mutex::new(process))) })
}

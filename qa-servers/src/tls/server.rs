//! Servers that speak TLS themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Authority, Credentials};
use crate::environment::forced_provider;
use crate::process::{Process, secure};
use crate::server::Host;
use crate::{Error, Provider, Server, System, speak};

/// How long a server may take to read its files again, and then to let somebody in.
const LIMIT: Duration = Duration::from_secs(20);

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

    /// Gives a MongoDB that speaks TLS another certificate, of `authority`, and has it read its files
    /// again, as whoever renews certificates does: connections that are open stay open, and new ones
    /// are shown the new certificate. It lets in clients without a certificate.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for the other systems, which have to be started again for it here, and for
    /// a server without TLS; [`Error::Io`] where the files can't be written; [`Error::Refused`] where the
    /// server does not take them; [`Error::NotReady`] where it lets nobody in afterwards.
    ///
    /// # Panics
    ///
    /// Where a certificate can't be made.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server may show either certificate.
    pub async fn renew_certificate(&mut self, authority: &Authority) -> Result<(), Error> {
        let (system, provider) = (self.system(), self.provider());
        let (Host::Process(process), System::MongoDb, Some(_)) =
            (&self.host, system, &self.address.tls)
        else {
            let what = "renew its certificate";
            let reason = "only a mongodb that was started with tls reads its files again";
            return Err(Error::Unsupported { system, provider, what, reason });
        };
        let credentials = Arc::new(authority.credentials(false));
        secure::renew(process.lock().await.home(), &credentials)?;
        let told = timeout(LIMIT, speak::mongodb::rotate_certificates(&self.address)).await;
        told.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}"))).map_err(|reason| {
            let reason = self.address.redact(&reason);
            Error::Refused { system, what: "renew its certificate", reason }
        })?;
        self.address.tls = Some(credentials as _);
        self.wait_ready(LIMIT).await
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

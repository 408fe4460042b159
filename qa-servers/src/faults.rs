//! The faults: stop, kill, freeze, and the way back.

use std::time::Duration;

use crate::ready::{self, Alive};
use crate::server::Host;
use crate::{Error, Server};

impl Server {
    /// Stops the server gracefully and waits until it has ended. Does nothing if it is down.
    ///
    /// RabbitMQ takes six seconds for it; the others well below one.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when it did not end within 40 seconds and was killed;
    /// [`Error::Unsupported`] for an external server.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server may still be on its way down; call it again.
    pub async fn stop(&self) -> Result<(), Error> {
        match &self.host {
            Host::Process(process) => process.lock().await.stop().await,
            Host::Container(container) => container.lock().await.stop().await,
            Host::External => Err(self.unsupported("stop")),
        }
    }

    /// Kills the server with signal 9 and waits until its port is free.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for an external server.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the signal may or may not have been sent; call it again.
    pub async fn kill(&self) -> Result<(), Error> {
        match &self.host {
            Host::Process(process) => process.lock().await.kill().await,
            Host::Container(container) => container.lock().await.kill().await,
            Host::External => Err(self.unsupported("be killed")),
        }
    }

    /// Starts the server again after a stop or a kill, on the same port with the same data, and
    /// waits until it lets a client log in. Only waits if it runs already.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] with the last lines of the log; [`Error::NotReady`] after the limit (60 s;
    /// RabbitMQ 120 s, Redis 30 s); [`Error::Unsupported`] for an external server.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server goes on with its start; call it again to wait.
    pub async fn start_again(&self) -> Result<(), Error> {
        match &self.host {
            Host::Process(process) => process.lock().await.spawn()?,
            Host::Container(container) => container.lock().await.start_again().await?,
            Host::External => return Err(self.unsupported("start again")),
        }
        self.wait_ready(self.system().start_limit()).await
    }

    /// [`stop`](Server::stop), then [`start_again`](Server::start_again).
    ///
    /// # Errors
    ///
    /// Those of the two.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server may be down; `start_again` brings it back.
    pub async fn restart(&self) -> Result<(), Error> {
        self.stop().await?;
        self.start_again().await
    }

    /// Freezes the server: it goes on accepting connections (the kernel does), and never answers.
    /// None of it runs any more when the future ends.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for an external server. [`Error::Refused`] if a thread of it still ran
    /// after 40 seconds.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server may or may not be frozen; call
    /// [`thaw`](Server::thaw).
    pub async fn freeze(&self) -> Result<(), Error> {
        match &self.host {
            Host::Process(process) => process.lock().await.freeze().await?,
            Host::Container(container) => container.lock().await.freeze().await?,
            Host::External => return Err(self.unsupported("freeze")),
        }
        Ok(())
    }

    /// Lets a frozen server go on where it was.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for an external server.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server may still be frozen; call it again.
    pub async fn thaw(&self) -> Result<(), Error> {
        match &self.host {
            Host::Process(process) => process.lock().await.thaw(),
            Host::Container(container) => container.lock().await.thaw().await?,
            Host::External => return Err(self.unsupported("thaw")),
        }
        Ok(())
    }

    /// Waits until the server lets a client log in.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] after `limit`, with what the last attempt saw; [`Error::Start`] at once
    /// when the server has ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        let ready = ready::until_login(&self.address, limit, &mut &self.host).await;
        match (ready, &self.host) {
            (Err(error @ Error::Start { .. }), Host::Process(process)) => {
                Err(process.lock().await.explain(error, &self.address))
            }
            (Err(error @ Error::Start { .. }), Host::Container(container)) => {
                Err(container.lock().await.explain(error, &self.address).await)
            }
            (ready, _) => ready,
        }
    }

    fn unsupported(&self, what: &'static str) -> Error {
        Error::Unsupported {
            system: self.system(),
            provider: self.provider(),
            what,
            reason: "it belongs to someone else; use Server::start_owned for one to break",
        }
    }
}

impl Alive for &Host {
    async fn ended(&mut self) -> Option<String> {
        match self {
            Host::Process(process) => process.lock().await.ended().await,
            Host::Container(container) => container.lock().await.ended().await,
            Host::External => None,
        }
    }
}

//! The one type.

use std::fmt;

use tokio::sync::Mutex;

use crate::address::Address;
use crate::container::Container;
use crate::process::Process;
use crate::{Error, Options, Provider, System, management, start};

/// A real server, with the faults to break it.
///
/// It can be shared: every method but [`remove`](Server::remove) and
/// [`change_password`](Server::change_password) takes `&self`. It works from any
/// tokio runtime, also from several one after the other. When it is dropped, the server is killed
/// and its data removed; when the program ends without that, a watchdog does it.
pub struct Server {
    pub(crate) address: Address,
    pub(crate) host: Host,
}

/// What runs the server.
pub(crate) enum Host {
    External,
    Container(Mutex<Container>),
    Process(Box<Mutex<Process>>),
}

impl Server {
    /// Gets a server from the first provider that works, and waits until it lets a client log in.
    ///
    /// A start takes below a second for Redis and ClickHouse, one or two for MongoDB, and 5 to 20
    /// for RabbitMQ.
    ///
    /// # Errors
    ///
    /// [`Error::NoServer`] says what was tried and why each failed; [`Error::Url`] and
    /// [`Error::NotReady`] are about a server that the environment names.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start(system: System) -> Result<Self, Error> {
        Self::start_with(system, Options::default()).await
    }

    /// Like [`start`](Server::start), but never takes a server from the environment: for one that
    /// the caller means to break.
    ///
    /// # Errors
    ///
    /// As [`start`](Server::start).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start_owned(system: System) -> Result<Self, Error> {
        let options = Options { owned: true, ..Options::default() };
        Self::start_with(system, options).await
    }

    /// Like [`start`](Server::start), with choices.
    ///
    /// # Errors
    ///
    /// As [`start`](Server::start).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, what was started is removed.
    pub async fn start_with(system: System, options: Options) -> Result<Self, Error> {
        let (address, host) = start::start(system, options).await?;
        Ok(Self { address, host })
    }

    /// Which system it is.
    #[must_use]
    pub fn system(&self) -> System {
        self.address.system
    }

    /// How it was got.
    #[must_use]
    pub fn provider(&self) -> Provider {
        match self.host {
            Host::External => Provider::External,
            Host::Container(_) => Provider::Container,
            Host::Process(_) => Provider::Process,
        }
    }

    /// The URL that a client connects to, **with the password** of a user that may do everything.
    ///
    /// `mongodb://…/?authSource=admin&directConnection=true`, `amqp://…/%2F`,
    /// `clickhouse://…/default` (the HTTP port) or `redis://…/0`. An external server's URL is
    /// given as it was found.
    #[must_use]
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// The host: `127.0.0.1`, save for an external server.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.address.host
    }

    /// The port that clients use. It stays the same over every stop and start.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// The user of the URL.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.address.user
    }

    /// The password of the URL.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.address.password
    }

    /// The port of RabbitMQ's management plugin (HTTP, same user); `None` for the others.
    #[must_use]
    pub fn management_port(&self) -> Option<u16> {
        self.address.management
    }

    /// The id of the server's main process while it runs; `None` unless the provider is
    /// [`Provider::Process`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn pid(&self) -> Option<u32> {
        match &self.host {
            Host::Process(process) => process.lock().await.pid(),
            Host::External | Host::Container(_) => None,
        }
    }

    /// Makes a RabbitMQ virtual host in which the server's user may do everything, and returns its
    /// URL. One that exists is given as it is.
    ///
    /// This is how tests share one RabbitMQ, whose start is slow. It goes through the management
    /// plugin, which an external server must have on port 15672, or on the one that
    /// `QA_TEST_RABBITMQ_MANAGEMENT_PORT` names.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for the other systems; [`Error::Refused`] when the management plugin
    /// does not answer within 20 seconds or refuses.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the virtual host may be there; call it again.
    pub async fn vhost(&self, name: &str) -> Result<String, Error> {
        self.only_rabbitmq("make a virtual host")?;
        management::create(&self.address, name).await
    }

    /// Asks RabbitMQ's management plugin something, and returns the body of its answer (JSON).
    ///
    /// `path` begins with `/api/`; names in it are percent-encoded (`/api/vhosts/%2F`). The
    /// [documentation of the plugin](https://www.rabbitmq.com/docs/http-api-reference) has them all.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for the other systems; [`Error::Refused`] when the management plugin
    /// does not answer within 20 seconds or with another status than 2xx.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the request may have been carried out.
    pub async fn manage(&self, method: &str, path: &str, body: &str) -> Result<String, Error> {
        self.only_rabbitmq("answer through a management plugin")?;
        management::ask(&self.address, method, path, body).await
    }

    fn only_rabbitmq(&self, what: &'static str) -> Result<(), Error> {
        if self.system() == System::RabbitMq {
            return Ok(());
        }
        Err(Error::Unsupported {
            system: self.system(),
            provider: self.provider(),
            what,
            reason: "only rabbitmq has that",
        })
    }

    /// Kills the server and removes its data. An external server is left alone.
    ///
    /// Dropping does the same; this one waits without blocking the thread.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the server is removed by its drop.
    pub async fn remove(self) {
        // What fails here is done again by the drop, and after that by the watchdog.
        match &self.host {
            Host::External => {}
            Host::Process(process) => drop(process.lock().await.kill().await),
            Host::Container(container) => container.lock().await.remove().await,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("provider", &self.provider())
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external() -> Server {
        let address = Address::local(System::Redis, 1, None).unwrap();
        Server { address, host: Host::External }
    }

    #[tokio::test]
    async fn an_external_server_refuses_to_be_broken() {
        let mut server = external();
        let outcomes = [
            server.stop().await,
            server.kill().await,
            server.freeze().await,
            server.thaw().await,
            server.start_again().await,
            server.restart().await,
        ];
        for outcome in outcomes {
            assert!(matches!(outcome, Err(Error::Unsupported { .. })), "{outcome:?}");
        }
        for outcome in [server.vhost("x").await.map(drop), server.change_password("x").await] {
            assert!(matches!(outcome, Err(Error::Unsupported { .. })), "{outcome:?}");
        }
    }

    #[test]
    fn a_server_can_be_shared_and_its_futures_sent_and_its_debug_hides_the_password() {
        fn sendable<T: Send>(_: &T) {}
        fn sharable<T: Send + Sync>(_: &T) {}
        let server = external();
        sharable(&server);
        sendable(&Server::start(System::Redis));
        sendable(&server.start_again());
        sendable(&server.stop());
        sendable(&server.kill());
        sendable(&server.freeze());
        sendable(&server.vhost("x"));
        let text = format!("{server:?}");
        assert!(!text.contains(server.password()), "{text}");
        sendable(&server.remove());
    }
}

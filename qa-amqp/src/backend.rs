//! How to connect to a RabbitMQ broker, ask it for a sign of life and say goodbye.

use crate::about;
use crate::classify::classify;
use crate::dial::dial;
use crate::entities::{Entities, Remembered};
use crate::link::Link;
use crate::options::Options;
use crate::{Client, Error, Topology, tls};
use lapin::ConnectionProperties;
use qa_resource_core::{
    About, Backend, Class, Credentials, Host, Login, Result, Secret, Target, TlsSettings,
    async_trait,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Limit for one host to say who it is, so that there is time for the next.
const ABOUT_LIMIT: Duration = Duration::from_millis(400);

/// A RabbitMQ broker, or a cluster of them.
///
/// The URL is `amqp://user:password@host:port/vhost`, or `amqps` with the feature `tls`. Without
/// user and password it is `guest` twice; the port is 5672 (5671 with TLS); no path, `/` and `/%2F`
/// are the virtual host `/`. Several hosts, separated by commas, are tried in an order that is
/// drawn anew with each connect. The query may hold
/// - `heartbeat`: seconds after which an idle connection asks for a sign of life, 10 by default and
///   5 at least; a peer that is silent for twice as long is gone;
/// - `connection_timeout`: milliseconds for dial and login on one host; by default 2,000 where there
///   are several hosts, and 30,000 (the supervisor's own limit is shorter) where there is one.
///
/// Each connect makes two connections, for publishing and for consuming, both under the resource's
/// name, and declares the [`Topology`] before the resource is ready.
pub struct RabbitMq {
    name: Arc<str>,
    address: String,
    options: Options,
    tls: TlsSettings,
    topology: Remembered,
    credentials: Option<Arc<dyn Credentials>>,
}

impl RabbitMq {
    /// A backend for `target`. Does no I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](qa_resource_core::ErrorKind::Config): the scheme is neither `amqp` nor
    /// `amqps`, the feature that `amqps` needs is off, or the query has an unknown key or a value
    /// that makes no sense.
    pub fn new(target: &Target) -> Result<Self> {
        let options = Options::new(target)?;
        tls::check(target)?;
        Ok(Self {
            name: Arc::clone(&target.name),
            address: options.address(),
            options,
            tls: target.tls.clone(),
            topology: Arc::default(),
            credentials: target.credentials.clone(),
        })
    }

    /// The same backend, which declares `topology` with every connect, in the time of the attempt
    /// (`connect_timeout`).
    #[must_use]
    pub fn with_topology(mut self, topology: Topology) -> Self {
        self.topology = Arc::new(tokio::sync::Mutex::new(topology.into()));
        self
    }

    /// The same backend, which asks `credentials` for its login at each connect, as
    /// [`Target::with_credentials`] does; that of the URL is not used. For a login that changes while we are connected there is
    /// [`Client::update_secret`].
    #[must_use]
    pub fn with_credentials(mut self, credentials: Arc<dyn Credentials>) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The login that is good at this moment.
    async fn login(&self) -> Result<Login, Error> {
        let default = self.options.login.clone();
        let Some(credentials) = &self.credentials else { return Ok(default) };
        let login = credentials.login().await;
        let login = login.map_err(|error| Error::Credentials(error.to_string()))?;
        let or = |said: Secret, default| if said.is_empty() { default } else { said };
        Ok(Login {
            user: or(login.user, default.user),
            password: or(login.password, default.password),
        })
    }

    /// A client of this host, which may be silent for as long as its limit is, and has the time of the attempt to
    /// make what is to be there.
    async fn connect_to(&self, host: &Host, login: &Login) -> Result<Client, Error> {
        let limit = self.options.host_limit;
        let links = async {
            tokio::try_join!(self.link(host, login, "publish"), self.link(host, login, "consume"))
        };
        let (publishing, consuming) = timeout(limit, links)
            .await
            .unwrap_or(Err(Error::TimedOut { doing: "connecting", limit }))?;
        let entities = Entities::new(Arc::clone(&self.topology));
        let client = Client::new(publishing, consuming, entities);
        client.restore(limit).await?;
        Ok(client)
    }

    async fn link(&self, host: &Host, login: &Login, purpose: &str) -> Result<Link, Error> {
        let properties = ConnectionProperties::default()
            .with_connection_name((&*self.name).into())
            .with_client_property("purpose".into(), purpose.into());
        let dialled = dial(&self.options, login, &self.tls, properties, host).await?;
        Ok(Link::new(dialled))
    }
}

#[async_trait]
impl Backend for RabbitMq {
    const SYSTEM: &'static str = "rabbitmq";

    type Client = Client;
    type Error = Error;

    fn address(&self) -> &str {
        &self.address
    }

    async fn connect(&self) -> Result<Client, Error> {
        let mut hosts: Vec<&Host> = self.options.hosts.iter().collect();
        fastrand::shuffle(&mut hosts);
        let login = self.login().await?;
        let mut last = Error::TimedOut { doing: "connecting", limit: self.options.host_limit };
        for host in hosts {
            match self.connect_to(host, &login).await {
                Ok(client) => return Ok(client),
                // The nodes of a cluster agree on passwords and topology: the next one would
                // refuse us too.
                Err(error) if !classify(&error).kind.is_transient() => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The broker has opened the virtual host on both connections.
    fn connect_proves(&self) -> bool {
        true
    }

    async fn ping(&self, client: &Client) -> Result<(), Error> {
        client.ping().await
    }

    async fn close(&self, client: Client) -> Result<(), Error> {
        client.close().await
    }

    fn heard(&self, client: &Client, limit: Duration) -> bool {
        client.heard(limit)
    }

    async fn lost(&self, client: &Client) -> Error {
        client.lost().await
    }

    fn impairment(&self, client: &Client) -> Option<String> {
        client.blocked().map(|alarm| format!("the broker takes no messages: {alarm}"))
    }

    async fn impairment_changed(&self, client: &Client, impaired: bool) {
        client.until_blocked(!impaired).await;
    }

    /// What the broker says before the login, over a connection of its own that ends at once; of
    /// several hosts, the first that answers.
    async fn about(&self, _client: &Client) -> Result<About, Error> {
        let mut last = Error::TimedOut { doing: "asking about itself", limit: ABOUT_LIMIT };
        for host in &self.options.hosts {
            match timeout(ABOUT_LIMIT, about::ask(&self.options, &self.tls, host)).await {
                Ok(Ok(about)) => return Ok(about),
                Ok(Err(error)) => last = error,
                Err(_) => {}
            }
        }
        Err(last)
    }

    fn classify(error: &Error) -> Class {
        classify(error)
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMq")
            .field("name", &self.name)
            .field("options", &self.options)
            .field("tls", &self.tls)
            .field("credentials", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_prints() {
        let url = "amqp://c4n4ry:c4n4ry@h/v?heartbeat=10";
        let backend = RabbitMq::new(&Target::parse("orders", url).unwrap()).unwrap();
        let text = format!("{backend:?} {}", backend.address());
        assert!(!text.contains("c4n4ry"), "{text}");
        assert_eq!(backend.address(), "h:5672/v");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_that_is_not_built_in_is_refused_with_the_remedy() {
        let target = Target::parse("orders", "amqps://h").unwrap();
        let error = RabbitMq::new(&target).unwrap_err().to_string();
        assert!(error.contains("build with the feature `tls`"), "{error}");
    }
}

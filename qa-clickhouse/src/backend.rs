//! How to connect to ClickHouse, ping it and close it.

use crate::http::MAX_IDLE;
use crate::url::{DEFAULT_DATABASE, Url};
use crate::{classify, tls};
use clickhouse::Client;
use clickhouse::error::{Error, Result};
use qa_resource_core::{
    About, Backend, Class, Credentials, Group, GroupSettings, Member, Resource, Secret, Settings,
    Target, TlsSettings, async_trait,
};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One ClickHouse server, spoken to over HTTP.
pub struct ClickHouse {
    address: String,
    url: Url,
    tls: TlsSettings,
    credentials: Option<Arc<dyn Credentials>>,
    /// The user of the latest client, where `credentials` gave it.
    user: Mutex<Option<Secret>>,
}

impl ClickHouse {
    /// A backend for `target`. Checks the whole URL, without any I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](qa_resource_core::ErrorKind::Config): an unknown scheme, more than one
    /// host, an unknown key in the query, TLS in a build without the feature `tls`. The error names
    /// the key, never its value.
    pub fn new(target: &Target) -> qa_resource_core::Result<Self> {
        Self::of(target, Url::parse(target)?)
    }

    /// A backend for each host of `target`, which may have several.
    ///
    /// # Errors
    /// As [`new`](Self::new), but for the number of hosts.
    pub fn each(target: &Target) -> qa_resource_core::Result<Vec<Self>> {
        Url::parse_each(target)?.into_iter().map(|url| Self::of(target, url)).collect()
    }

    /// A group with a member for each host of `target`: servers that hold the same data, such as replicas
    /// or the nodes over which a `Distributed` table lies. The members are called after target and host,
    /// as `bars@one:8123`. Where there is one host only, it is a group of one.
    ///
    /// ```no_run
    /// use qa_clickhouse::{ClickHouse, GroupSettings, Queries, QueryOptions, Settings, Target};
    ///
    /// # async fn example() -> qa_resource_core::Result<()> {
    /// let target = Target::parse("bars", "clickhouse://me:secret@one,two:8124/quantaxis")?;
    /// let bars = ClickHouse::group(&target, &Settings::default(), GroupSettings::default())?;
    /// bars.connect().await?;
    /// let queries = Queries::new(&bars, QueryOptions::default());
    /// let count: u64 = queries.query("SELECT count() FROM bars").fetch_one().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new), but for the number of hosts; `Config` also where a host is there twice.
    pub fn group(
        target: &Target,
        settings: &Settings,
        group: GroupSettings,
    ) -> qa_resource_core::Result<Group<Self>> {
        let resource = |name: &str, backend| Resource::new(name, backend, settings.clone());
        if target.endpoint.hosts().len() == 1 {
            return Ok(Group::from(resource(&target.name, Self::new(target)?)));
        }
        let members = Self::each(target)?.into_iter().map(|backend| {
            let name = format!("{}@{}", target.name, backend.url.authority);
            Member::new(resource(&name, backend))
        });
        Group::of(Arc::clone(&target.name), members, group)
    }

    fn of(target: &Target, url: Url) -> qa_resource_core::Result<Self> {
        tls::check(target, url.tls)?;
        let tls = target.tls.clone();
        let address = format!("{}/{}", url.authority, url.database);
        let credentials = target.credentials.clone();
        Ok(Self { address, url, tls, credentials, user: Mutex::default() })
    }

    /// User and password that are good at this moment, where there are any.
    async fn login(&self) -> Result<(Option<Secret>, Option<Secret>)> {
        let Some(credentials) = &self.credentials else {
            return Ok((self.url.user.clone(), self.url.password.clone()));
        };
        let login = credentials.login().await;
        let login = login.map_err(|error| Error::Network(format!("no login: {error}").into()))?;
        let said = |text: Secret| Some(text).filter(|text| !text.is_empty());
        let (user, password) = (said(login.user), said(login.password));
        self.user.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&user);
        Ok((user, password))
    }

    async fn client(&self) -> Result<Client> {
        let Url { authority, database, compression, settings, .. } = &self.url;
        let (user, password) = self.login().await?;
        let scheme = if self.url.tls { "https" } else { "http" };
        let mut client = tls::client(&self.url, &self.tls)?
            .with_url(format!("{scheme}://{authority}"))
            .with_compression(*compression)
            .with_product_info(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        if database != DEFAULT_DATABASE {
            client = client.with_database(database);
        }
        if let Some(user) = user {
            client = client.with_user(user.expose());
        }
        if let Some(password) = password {
            client = client.with_password(password.expose());
        }
        for (name, value) in settings {
            client.set_setting(*name, value.expose());
        }
        Ok(client)
    }

    /// The server names the user whom it refuses; the login is nothing to show.
    fn without_user(&self, error: Error) -> Error {
        let given = self.user.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (error, given.as_ref().or(self.url.user.as_ref())) {
            (Error::BadResponse(said), Some(user)) => {
                let named = format!("{}: Authentication failed", user.expose());
                Error::BadResponse(said.replace(&named, "Authentication failed"))
            }
            (error, _) => error,
        }
    }
}

#[async_trait]
impl Backend for ClickHouse {
    const SYSTEM: &'static str = "clickhouse";
    /// As many as idle connections are kept: a burst neither has the server work on hundreds of
    /// queries at once, which it refuses by its memory limit, nor leaves connections to be closed.
    const MAX_IN_FLIGHT: Option<u32> = Some(MAX_IDLE);
    type Client = Client;
    type Error = Error;

    fn address(&self) -> &str {
        &self.address
    }

    async fn connect(&self) -> Result<Client> {
        let client = self.client().await?;
        self.ping(&client).await?;
        Ok(client)
    }

    async fn ping(&self, client: &Client) -> Result<()> {
        let answer = client.query("SELECT 1").fetch_one::<u8>().await;
        answer.map(drop).map_err(|error| self.without_user(error))
    }

    async fn close(&self, client: Client) -> Result<()> {
        // HTTP has no goodbye: the idle connections are closed with their pool.
        drop(client);
        Ok(())
    }

    async fn about(&self, client: &Client) -> Result<About> {
        let question = client.query("SELECT version(), toUnixTimestamp64Milli(now64(3))");
        let (version, clock) = question.fetch_one::<(String, i64)>().await?;
        let clock = u64::try_from(clock).ok().map(Duration::from_millis);
        Ok(About { version: Some(version), clock })
    }

    fn classify(error: &Error) -> Class {
        classify::classify(error)
    }
}

impl fmt::Debug for ClickHouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouse")
            .field("address", &self.address)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

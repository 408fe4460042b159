//! How to connect to MongoDB, ping it, close it, and hear from the driver that it is gone.

use crate::goodbye::{Guard, say_goodbye};
use crate::limit::unavailable;
use crate::metrics::{CommandMeter, PoolMeter, TopologyMeter};
use crate::observer::{Observer, Sight, View};
use crate::ping::ping;
use crate::pools::Pools;
use crate::waits::counted;
use crate::{about, classify, commands, metrics, options, standing, tls};
use futures_util::FutureExt;
use mongodb::error::{Error, ErrorKind, Result};
use mongodb::options::{ClientOptions, ConnectionString};
use mongodb::{Client, Database};
use qa_resource_core::{
    About, Backend, Class, Credentials, Recovery, Target, TlsSettings, async_trait,
};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// The database that is used where the URL names none.
pub const DEFAULT_DATABASE: &str = "quantaxis";

/// Limit for a connect to wait for the connections that `minPoolSize` asks for.
const WARM_LIMIT: Duration = Duration::from_secs(2);

pub(crate) const DEFAULT_PORT: u16 = 27017;

/// A MongoDB deployment: one server, a replica set or a sharded cluster.
///
/// The driver brings lost connections back by itself, so the supervisor keeps its client and pings
/// it until it answers ([`Recovery::Driver`]).
///
/// A ping goes to whichever member is nearest, and to the others where that one is silent: it says
/// that the deployment can be read. Whether it
/// takes writes is known from the driver's own view of it, without I/O. A replica set that has no
/// primary reads as degraded, with the reason, and neither is lost nor stops giving leases; so does
/// a single member that is none (`directConnection=true`).
pub struct MongoDb {
    name: Arc<str>,
    address: String,
    url: ConnectionString,
    /// Whether the driver is to tell of every command.
    command_metrics: bool,
    tls: TlsSettings,
    credentials: Option<Arc<dyn Credentials>>,
    /// What the driver of the latest client sees of the deployment.
    view: Mutex<Option<View>>,
}

impl MongoDb {
    /// A backend for `target`. Checks the whole URL, without any I/O.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](qa_resource_core::ErrorKind::Config): a scheme other than `mongodb`
    /// and `mongodb+srv`, an unknown or refused option, a value that the driver does not take, TLS
    /// in a build without the feature `tls`. The error names the option, never its value.
    pub fn new(target: &Target) -> qa_resource_core::Result<Self> {
        let (url, ours) = options::parse(target)?;
        tls::check(target, &url)?;
        Ok(Self {
            name: Arc::clone(&target.name),
            address: options::address(target),
            url,
            command_metrics: ours.command_metrics,
            tls: target.tls.clone(),
            credentials: target.credentials.clone(),
            view: Mutex::new(None),
        })
    }

    /// The same backend, which asks `credentials` for its login at each connect, as
    /// [`Target::with_credentials`] does; that of the URL is not used. The driver logs in by itself with what it was given when it was connected. When the
    /// server refuses that, once no connection is left that it took, the resource is connected anew,
    /// with the login that is good then. Sooner, and without an operation that fails, it is with
    /// [`Resource::reconnect`](qa_resource_core::Resource::reconnect), as soon as the new login is
    /// good: what is under way finishes with the old client. The same goes for certificates.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Arc<dyn Credentials>) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The URL's database, or [`DEFAULT_DATABASE`].
    #[must_use]
    pub fn database(client: &Client) -> Database {
        client.default_database().unwrap_or_else(|| client.database(DEFAULT_DATABASE))
    }

    fn view(&self) -> Option<View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client that has not spoken to anybody yet, and what its driver sees.
    async fn client(&self) -> Result<(Client, View)> {
        let mut options = ClientOptions::parse(self.url.clone()).await?;
        if let Some(credentials) = &self.credentials {
            let login = credentials.login().await;
            let login = login.map_err(|error| unavailable(format!("no login: {error}")))?;
            options::log_in(&mut options, &login);
        }
        options::apply_defaults(&mut options, &self.name);
        let (observer, view) = Observer::new(TopologyMeter::new(&self.name));
        options.sdam_event_handler = Some(observer.into_handler());
        let meter = PoolMeter::new(&self.name, options.max_pool_size.unwrap_or_default());
        options.cmap_event_handler = Some(Pools::new(meter).into_handler());
        options.command_event_handler =
            self.command_metrics.then(|| commands::handler(CommandMeter::new(&self.name)));
        let client = tls::client(options, &self.tls)?;
        Ok((client, view))
    }
}

#[async_trait]
impl Backend for MongoDb {
    const SYSTEM: &'static str = "mongodb";
    const RECOVERY: Recovery = Recovery::Driver;
    type Client = Client;
    type Error = Error;

    fn address(&self) -> &str {
        &self.address
    }

    fn max_in_flight(&self) -> Option<u32> {
        Some(options::in_flight(&self.url))
    }

    async fn connect(&self) -> Result<Client> {
        let (client, view) = self.client().await?;
        // From here on the driver has tasks and sockets, also where this future is dropped.
        let guard = Guard::new(client, view.sight.clone());
        tokio::select! {
            biased;
            pinged = ping(guard.client(), &[]) => pinged?,
            error = Sight::absent(view.sight.clone()) => return Err(error),
        }
        // So that whoever follows another client finds what that one had. A slow server is no reason
        // not to begin: the driver goes on by itself.
        if self.url.min_pool_size.is_some_and(|least| least > 0) {
            let _ =
                timeout(WARM_LIMIT, async { guard.client().warm_connection_pool().await }).await;
        }
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Some(view);
        Ok(guard.release())
    }

    async fn ping(&self, client: &Client) -> Result<()> {
        // A ping that waits for a server has the driver look for it twice a second, all clients in
        // step. Where the server is silent that finds its first word; where it refuses, the
        // driver's own pace is enough.
        let view = self.view().unwrap_or_else(View::unseen);
        if view.sight.borrow().is_refused() {
            tokio::select! {
                biased;
                () = Sight::regained(view.sight.clone()) => {}
                error = Sight::lost(view.sight.clone()) => return Err(error),
            }
        }
        let members = view.members.borrow().clone();
        ping(client, &members).await
    }

    async fn close(&self, client: Client) -> Result<()> {
        // One that this backend has not connected itself: nothing is seen of its server.
        let view = self.view().unwrap_or_else(View::unseen);
        say_goodbye(client, view.sight).await
    }

    async fn lost(&self, _client: &Client) -> Error {
        match self.view() {
            Some(view) => Sight::lost(view.sight).await,
            None => std::future::pending().await,
        }
    }

    async fn regained(&self, _client: &Client) {
        match self.view() {
            Some(view) => Sight::regained(view.sight).await,
            None => std::future::pending().await,
        }
    }

    fn impairment(&self, _client: &Client) -> Option<String> {
        let impairment = *self.view()?.standing.borrow();
        impairment.map(str::to_owned)
    }

    async fn impairment_changed(&self, _client: &Client, impaired: bool) {
        match self.view() {
            Some(view) => standing::changed(view.standing, impaired).await,
            None => std::future::pending().await,
        }
    }

    async fn about(&self, client: &Client) -> Result<About> {
        about::ask(client).await
    }

    fn observed<T: Send>(
        &self,
        attempt: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send {
        let count = |error: &Error| {
            if matches!(*error.kind, ErrorKind::ServerSelection { .. }) {
                metrics::selection_failed(&self.name);
            }
        };
        counted(attempt).map(move |ended| ended.inspect_err(count))
    }

    fn classify(error: &Error) -> Class {
        classify::classify(error)
    }
}

impl fmt::Debug for MongoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDb")
            .field("name", &self.name)
            .field("address", &self.address)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

//! What a kind of server has to say for itself; everything about *when* is the supervisor's.

use crate::{About, Class};
use async_trait::async_trait;
use std::time::Duration;

/// Who brings a lost connection back. Exactly one of the two does, never both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The supervisor: it closes the lost client and calls [`Backend::connect`] until one is there.
    Supervisor,
    /// The driver: the client heals by itself, so the supervisor keeps it and pings it until it
    /// answers. For drivers that pool and fail over on their own, as MongoDB's does.
    Driver,
}

/// How to connect to one kind of server, ask it for a sign of life, say goodbye to it, and read
/// its errors.
///
/// A backend does *not* decide when any of this happens, how often it is tried or how long it may
/// take: each method is one attempt, and the supervisor bounds it. Each method may be dropped at
/// any await (a limit ran out, or the resource was closed) and must then leave nothing behind.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The system's name in OpenTelemetry's conventions: `mongodb`, `rabbitmq`, `clickhouse`,
    /// `redis`.
    const SYSTEM: &'static str;

    /// Who brings a lost connection back. Default: the supervisor.
    const RECOVERY: Recovery = Recovery::Supervisor;

    /// How many operations of [`Resource::run`](crate::Resource::run) may be under way on one
    /// connection at once, where the settings do not say. Default: no bound, for connections that
    /// carry any number of operations side by side.
    const MAX_IN_FLIGHT: Option<u32> = None;

    /// What a lease gives: the driver's own client, cheap to clone.
    type Client: Clone + Send + Sync + 'static;

    /// The driver's own error, so that `?` works inside [`Resource::run`](crate::Resource::run).
    type Error: std::error::Error + Send + Sync + 'static;

    /// Where the server is: `host:port/namespace`, without user, password or options.
    fn address(&self) -> &str;

    /// The same of this backend, where it depends on how it was made: fewer than its driver's pool
    /// has connections, say. Default: [`MAX_IN_FLIGHT`](Self::MAX_IN_FLIGHT).
    fn max_in_flight(&self) -> Option<u32> {
        Self::MAX_IN_FLIGHT
    }

    /// Makes one attempt to connect, and restores what the session needs (login, database,
    /// topology, quality of service).
    ///
    /// # Errors
    /// The driver's error; [`Backend::classify`] says what it means.
    async fn connect(&self) -> Result<Self::Client, Self::Error>;

    /// Whether [`connect`](Self::connect) ends with answers after which a ping could find nothing wrong, on
    /// every connection that it makes: a new client is then ready without one, and the connect counts as one
    /// of [`health_successes`](crate::Settings::health_successes). Default: it is pinged.
    fn connect_proves(&self) -> bool {
        false
    }

    /// Makes one real round trip to the server.
    ///
    /// # Errors
    /// The driver's error, also where the server answers that it can't serve.
    async fn ping(&self, client: &Self::Client) -> Result<(), Self::Error>;

    /// Says goodbye, so that the server and the driver free what they hold for this client.
    ///
    /// Also called for a client whose connection is already gone; that is not an error.
    ///
    /// # Errors
    /// The driver's error where the goodbye was not heard. The client is dropped all the same.
    async fn close(&self, client: Self::Client) -> Result<(), Self::Error>;

    /// Whether the server was heard on every connection of this client within the last `limit`, whatever
    /// it said. Asked where a ping was not answered in time: then the answer may be on its way behind
    /// others, and the connection is slow and not lost. Must be had without I/O. Default: not known, so
    /// that only pings tell.
    fn heard(&self, client: &Self::Client, limit: Duration) -> bool {
        let _ = (client, limit);
        false
    }

    /// Resolves when the driver itself says that the connection is gone. Default: never, for
    /// drivers that only notice with the next call.
    async fn lost(&self, client: &Self::Client) -> Self::Error {
        let _ = client;
        std::future::pending().await
    }

    /// Resolves when the driver says that a connection which it held to be gone is there again; one
    /// that it never held to be gone is not. Only asked with [`Recovery::Driver`], between two pings
    /// of a reconnect, the next of which then comes at once. Default: never, so that only the pings
    /// find it.
    async fn regained(&self, client: &Self::Client) {
        let _ = client;
        std::future::pending::<()>().await;
    }

    /// Why the server, though connected, does not do all that it should (a `RabbitMQ` alarm that
    /// blocks publishers, say); such a resource reads as degraded. Asked after each answered ping,
    /// so it must be had without I/O. Default: nothing.
    fn impairment(&self, client: &Self::Client) -> Option<String> {
        let _ = client;
        None
    }

    /// Resolves when the server is impaired although `impaired` says that it was not, or no longer is
    /// although it was: it is then pinged and read anew, without waiting for the interval. Default:
    /// never, so that only the pings find it.
    async fn impairment_changed(&self, client: &Self::Client, impaired: bool) {
        let _ = (client, impaired);
        std::future::pending::<()>().await;
    }

    /// Asks the server about itself: its version, and what its clock shows. Only asked where a person
    /// wants to know. Default: nothing, without I/O.
    ///
    /// # Errors
    /// The driver's error.
    async fn about(&self, client: &Self::Client) -> Result<About, Self::Error> {
        let _ = client;
        Ok(About::default())
    }

    /// One attempt of an operation of [`Resource::run`](crate::Resource::run), to be observed from its
    /// first poll until it ends or is dropped; what comes of it must stay the same. Default: as it is.
    fn observed<T: Send>(
        &self,
        attempt: impl Future<Output = Result<T, Self::Error>> + Send,
    ) -> impl Future<Output = Result<T, Self::Error>> + Send {
        attempt
    }

    /// Says what an error means: its kind, and whether the operation can have been applied.
    fn classify(error: &Self::Error) -> Class;
}

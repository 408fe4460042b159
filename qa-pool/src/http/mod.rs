//! Health, status and metrics over HTTP, for orchestrators, Prometheus and people.
//!
//! | path | what | status |
//! |---|---|---|
//! | `/livez` | that the process answers; asks no server, so a lost backend never restarts us | 200 |
//! | `/readyz` | JSON: whether every required resource is ready, and which is missing | 200, or 503 |
//! | `/status` | JSON, or for a browser the page: states, since when, outages, leases, rates, errors | 200 |
//! | `/status.html` | the page, and nothing but it: one file, without script or anything to load | 200 |
//! | `/metrics` | Prometheus' text, where a recorder was given | 200, or 404 |
//!
//! `/` leads to the page. Every answer is made of what is known already: nothing is asked of a
//! server, and a request changes nothing. No secret is in any of them; whoever may not see addresses
//! and errors must not reach the port, so it is on loopback unless told otherwise.
//!
//! ```no_run
//! use qa_pool::http::{ADDRESS, Http, Prometheus};
//! use qa_pool::{Config, ResourcePool};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let prometheus = Prometheus::install()?; // the process's recorder, because we say so
//! let pool = ResourcePool::from_config(&Config::from_env()?)?;
//! let server = Http::new(&pool).with_prometheus(&prometheus).bind(ADDRESS).await?;
//! tokio::spawn(server.run()); // ends with the pool's closing
//! # Ok(())
//! # }
//! ```
//!
//! Where there is an axum application already, [`Http::router`] goes into it.

mod escape;
mod history;
mod metrics;
mod page;
mod readiness;
mod report;
mod routes;
mod sampler;
mod server;
mod sparkline;
mod words;

pub use metrics::Prometheus;
pub use server::Server;

use crate::ResourcePool;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::ToSocketAddrs;

/// Where the endpoints are unless told otherwise: on loopback, on the port that OpenTelemetry has for
/// Prometheus.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// Makes the text of `/metrics`.
type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// The endpoints of one pool; see the [module](self).
#[derive(Clone)]
pub struct Http {
    pool: ResourcePool,
    render: Option<Render>,
    prometheus: Option<Prometheus>,
}

impl Http {
    /// The endpoints of `pool`, without `/metrics`.
    #[must_use]
    pub fn new(pool: &ResourcePool) -> Self {
        Self { pool: pool.clone(), render: None, prometheus: None }
    }

    /// The same, with what `prometheus` has recorded under `/metrics`.
    #[must_use]
    pub fn with_prometheus(mut self, prometheus: &Prometheus) -> Self {
        self.prometheus = Some(prometheus.clone());
        let prometheus = prometheus.clone();
        self.with_metrics(move || prometheus.render())
    }

    /// The same, with what `render` gives under `/metrics`: for a recorder that the application has
    /// installed itself. It is called with each request and should take no time.
    #[must_use]
    pub fn with_metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.render = Some(Arc::new(render));
        self
    }

    /// Their router, for an application that has one. The history that the page shows is kept by a
    /// task, which ends with the last clone of the router.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, which that task needs.
    pub fn router(&self) -> axum::Router {
        routes::router(self)
    }

    /// Listens on `address`; port 0 is any that is free. Nothing is answered before
    /// [`Server::run`].
    ///
    /// # Errors
    /// The address can't be resolved, is in use, or is not one of this machine.
    ///
    /// # Cancel safety
    /// Nothing is left where this is dropped.
    pub async fn bind(&self, address: impl ToSocketAddrs) -> io::Result<Server> {
        Server::bind(self, address).await
    }
}

/// Answers on `address` until the pool begins to close: [`Http::bind`] and [`Server::run`], without
/// `/metrics`.
///
/// # Errors
/// As [`Http::bind`].
///
/// # Cancel safety
/// Where this is dropped the port is closed and requests that are under way are cut off.
pub async fn serve(pool: &ResourcePool, address: impl ToSocketAddrs) -> io::Result<()> {
    Http::new(pool).bind(address).await?.run().await;
    Ok(())
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("pool", &self.pool)
            .field("metrics", &self.render.is_some())
            .finish_non_exhaustive()
    }
}

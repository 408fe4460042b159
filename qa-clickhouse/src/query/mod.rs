//! Queries that are bounded, and that end on the server when nobody waits for them.

mod builder;
#[cfg(feature = "polars")]
mod describe;
mod options;
mod progress;
mod raw;
mod rows;
mod running;
mod session;
mod summary;

pub use builder::Query;
pub use options::QueryOptions;
pub use progress::{Progress, ProgressStream};
pub use raw::RawStream;
pub use rows::RowStream;
pub use session::Session;
pub use summary::Summary;

#[cfg(feature = "arrow")]
pub(crate) use builder::Attempts;
#[cfg(feature = "polars")]
pub(crate) use describe::Described;
#[cfg(feature = "arrow")]
pub(crate) use running::Running;

use crate::ClickHouse;
use qa_resource_core::{Error, ErrorKind, Group, Lease, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Asks one server, or several that are alike, and ends on the server what nobody waits for any more.
///
/// Beside the official client, which every lease gives: each query has a `query_id`, a limit that
/// the server knows as well, and a place among those that are under way. Where its future or stream
/// is dropped, or its limit runs out, the server is told to end it.
///
/// Cheap to clone; all clones share the places.
///
/// ```no_run
/// use qa_clickhouse::{ClickHouse, Queries, QueryOptions};
/// use qa_resource_core::Group;
/// use std::time::Duration;
///
/// # async fn example(bars: Group<ClickHouse>) -> qa_resource_core::Result<()> {
/// let queries = Queries::new(&bars, QueryOptions::default().setting("max_threads", "4"));
/// let highest: f64 = queries
///     .query("SELECT max(high) FROM bars WHERE code = {code:String}")
///     .param("code", "000001")
///     .limit(Duration::from_secs(5))
///     .fetch_one()
///     .await?;
/// println!("{highest}");
/// let mut csv = tokio::fs::File::create("bars.csv").await.unwrap();
/// queries.query("SELECT * FROM bars").write_to("CSVWithNames", &mut csv).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Queries {
    group: Group<ClickHouse>,
    options: Arc<QueryOptions>,
    places: Arc<Semaphore>,
}

impl Queries {
    /// Queries to a server or to several that are alike: a resource, or a group.
    #[must_use]
    pub fn new(group: impl Into<Group<ClickHouse>>, options: QueryOptions) -> Self {
        let places = options.at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            group: group.into(),
            options: Arc::new(options),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// A query, in SQL. Parameters stand in it as `{name:Type}`, and are [bound](Query::param) by the
    /// server.
    pub fn query(&self, sql: impl Into<String>) -> Query {
        Query::new(self.clone(), sql.into())
    }

    /// The server, or the servers, that are asked.
    #[must_use]
    pub fn group(&self) -> &Group<ClickHouse> {
        &self.group
    }

    /// Tells every server to end a query.
    ///
    /// # Errors
    /// The first server that could not be told.
    ///
    /// # Cancel safety
    /// Some may have been told where this is dropped.
    pub async fn kill(&self, id: &str) -> Result<()> {
        for server in self.group.members() {
            server.run_idempotent(|lease| async move { running::kill(&lease, id).await }).await?;
        }
        Ok(())
    }

    /// A lease of one of the servers, of none of `tried` where there is another, and a place.
    async fn admit(
        &self,
        deadline: Instant,
        tried: &[Arc<str>],
    ) -> Result<(Lease<ClickHouse>, OwnedSemaphorePermit)> {
        let name = self.group.name();
        let limit = self.group.settings().acquire_timeout;
        let until = deadline.min(Instant::now() + limit);
        let place = timeout_at(until, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            let at_once = self.options.at_once;
            let message = format!("no place within {limit:?}: {at_once} queries are under way");
            return Err(Error::new(ErrorKind::Overloaded, name, message));
        };
        match timeout_at(deadline, self.group.acquire_elsewhere(tried)).await {
            Ok(lease) => Ok((lease?, place)),
            Err(_) => {
                Err(Error::new(ErrorKind::Timeout, name, "no lease within the query's limit"))
            }
        }
    }

    fn limit(&self) -> Duration {
        self.options.limit
    }
}

//! One query.

use super::running::Running;
use super::{Progress, ProgressStream, Queries, RawStream, RowStream, Summary};
use clickhouse::query::Query as DriverQuery;
use clickhouse::{RowOwned, RowRead};
use qa_resource_core::{Backoff, Error, ErrorKind, Outcome, Result};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// How often a query is tried, or once on each server where there are more.
const ATTEMPTS: usize = 3;

/// A query that nobody has sent yet; of [`Queries::query`].
///
/// `execute` is tried again, on another server where there is one, if the server certainly did not carry
/// it out; what fetches rows also where nobody knows, because reading twice does no harm. A stream is not:
/// some of it may have been read.
#[must_use = "it is sent by execute, fetch, write_to and the like"]
pub struct Query {
    pub(super) queries: Queries,
    pub(super) sql: String,
    id: Option<String>,
    pub(super) limit: Duration,
    pub(super) settings: Vec<(String, String)>,
    pub(super) params: Vec<Param>,
    news: Option<watch::Sender<Progress>>,
}

/// Hands its value to the driver, which writes it as the server reads it.
type Param = Arc<dyn Fn(DriverQuery) -> DriverQuery + Send + Sync>;

impl Query {
    pub(super) fn new(queries: Queries, sql: String) -> Self {
        let limit = queries.limit();
        Self { queries, sql, id: None, limit, settings: Vec::new(), params: Vec::new(), news: None }
    }

    /// The value of `{name:Type}`, bound by the server: it never becomes part of the SQL.
    pub fn param<V>(mut self, name: impl Into<String>, value: V) -> Self
    where
        V: Serialize + Send + Sync + 'static,
    {
        let name = name.into();
        self.params.push(Arc::new(move |query| query.param(&name, &value)));
        self
    }

    /// One of the server's settings, for this query alone.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Limit for this query, from sending it until its answer is read. Default: that of
    /// [`QueryOptions`](super::QueryOptions).
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The `query_id` under which the server knows it. Default: one at random. A second attempt has
    /// `-2` behind it, and so on.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// News of how far it is, from when it is sent until it ends. The server is asked for them about
    /// five times a second, over another connection.
    pub fn progress(&mut self) -> ProgressStream {
        let (news, receiver) = watch::channel(Progress::default());
        self.news = Some(news);
        ProgressStream(receiver)
    }

    /// Carries it out, and reads away what it answers.
    ///
    /// # Errors
    /// `Overloaded` without a place among the queries under way, what an `acquire` gives, the server's
    /// error with its code and words, `Timeout` where the limit ran out.
    ///
    /// # Cancel safety
    /// Where this is dropped, the server is told to end the query; what it has written stays.
    pub async fn execute(self) -> Result<Summary> {
        let mut attempts = Attempts::new(self);
        loop {
            let done = async {
                let mut stream = RawStream::new(attempts.send().await?, "TabSeparated")?;
                while stream.next().await?.is_some() {}
                Ok(stream.into_summary())
            };
            match done.await {
                Ok(summary) => return Ok(summary),
                Err(error) => attempts.again(error).await?,
            }
        }
    }

    /// The only row, or the first one.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), and `Operation` where there is none.
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    pub async fn fetch_one<T: RowOwned + RowRead>(self) -> Result<T> {
        let name = self.queries.group.name().to_owned();
        self.fetch_optional().await?.ok_or_else(|| {
            Error::new(ErrorKind::Operation, name, "the query gave no row, and one was expected")
        })
    }

    /// The first row, if there is any.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    pub async fn fetch_optional<T: RowOwned + RowRead>(self) -> Result<Option<T>> {
        let mut attempts = Attempts::reading(self);
        loop {
            let done = async {
                let mut rows = RowStream::new(attempts.send().await?)?;
                let first = rows.next().await?;
                // As a rule there is no second, and the query has ended by itself.
                if first.is_some() {
                    rows.next().await?;
                }
                Ok(first)
            };
            match done.await {
                Ok(row) => return Ok(row),
                Err(error) => attempts.again(error).await?,
            }
        }
    }

    /// Every row, in memory. Use [`rows`](Self::rows) where there may be many.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    ///
    /// # Cancel safety
    /// As [`execute`](Self::execute).
    pub async fn fetch_all<T: RowOwned + RowRead>(self) -> Result<Vec<T>> {
        let mut attempts = Attempts::reading(self);
        loop {
            let done = async {
                let mut rows = RowStream::new(attempts.send().await?)?;
                let mut all = Vec::new();
                while let Some(row) = rows.next().await? {
                    all.push(row);
                }
                Ok(all)
            };
            match done.await {
                Ok(rows) => return Ok(rows),
                Err(error) => attempts.again(error).await?,
            }
        }
    }

    /// The rows one by one, as they come: no more of the answer is in memory than a block.
    ///
    /// # Errors
    /// As [`execute`](Self::execute) before anything is sent; the server's come with the rows.
    ///
    /// # Cancel safety
    /// Nothing was sent where this is dropped.
    pub async fn rows<T: RowOwned + RowRead>(self) -> Result<RowStream<T>> {
        RowStream::new(Attempts::new(self).send().await?)
    }

    /// The answer's bytes in a format of the server's (`Parquet`, `CSVWithNames`, `JSONEachRow`, …),
    /// as they come.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    ///
    /// # Cancel safety
    /// Nothing was sent where this is dropped.
    pub async fn bytes(self, format: &str) -> Result<RawStream> {
        RawStream::new(Attempts::new(self).send().await?, format)
    }

    /// Writes the answer in a format of the server's (`Parquet`, `CSVWithNames`, `JSONEachRow`, …) to
    /// `writer`, as it comes, and flushes it.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), and `Operation` where the writer fails. What was written until
    /// then is written, and is not the whole answer.
    ///
    /// # Cancel safety
    /// Where this is dropped, the server is told to end the query; a part of the answer is written.
    pub async fn write_to<W>(self, format: &str, writer: &mut W) -> Result<Summary>
    where
        W: AsyncWrite + Unpin + Send,
    {
        self.bytes(format).await?.write_to(writer).await
    }
}

/// The attempts of one query, within its limit.
pub(crate) struct Attempts {
    query: Query,
    id: String,
    deadline: Instant,
    /// Whether it may be carried out twice.
    reads: bool,
    sent: usize,
    tried: Vec<Arc<str>>,
    delay: Option<Duration>,
}

impl Attempts {
    pub(crate) fn new(query: Query) -> Self {
        let id = query.id.clone().unwrap_or_else(|| format!("qa-{:032x}", fastrand::u128(..)));
        let now = Instant::now();
        // A limit that never comes is none; a century is as good.
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        let deadline = now + query.limit.min(century);
        Self { query, id, deadline, reads: false, sent: 0, tried: Vec::new(), delay: None }
    }

    pub(crate) fn reading(query: Query) -> Self {
        Self { reads: true, ..Self::new(query) }
    }

    /// Gets a server for it, and what to send there.
    pub(crate) async fn send(&mut self) -> Result<(Running, DriverQuery)> {
        self.sent += 1;
        let queries = &self.query.queries;
        let admitted = queries.admit(self.deadline, &self.tried).await?;
        let id =
            if self.sent == 1 { self.id.clone() } else { format!("{}-{}", self.id, self.sent) };
        let news = self.query.news.clone();
        let running = Running::new(admitted, id, self.query.limit, self.deadline, news);
        self.tried.push(Arc::clone(running.server()));
        let query = self.driver_query(&running);
        Ok((running, query))
    }

    fn driver_query(&self, running: &Running) -> DriverQuery {
        let Query { sql, settings, params, queries, .. } = &self.query;
        let mut query = running.client().query_raw(sql).with_setting("query_id", running.id());
        if queries.options.server_limit {
            let left = self.deadline.saturating_duration_since(Instant::now());
            // Zero would be no limit at all.
            let seconds = left.as_secs_f64().max(0.001);
            query = query.with_setting("max_execution_time", format!("{seconds:.3}"));
        }
        for (name, value) in queries.options.settings.iter().chain(settings) {
            query = query.with_setting(name, value);
        }
        params.iter().fold(query, |query, bind| bind(query))
    }

    /// Waits until it may be tried again, or gives the error back.
    pub(crate) async fn again(&mut self, error: Error) -> Result<()> {
        let harmless = self.reads || error.outcome() == Outcome::NotApplied;
        let safe = error.kind().is_transient() && harmless;
        let group = &self.query.queries.group;
        let (settings, servers) = (group.settings(), group.members().len());
        let backoff = Backoff::new(settings.backoff_floor, settings.backoff_cap);
        // Another server needs no pause.
        let others = self.tried.len() < servers;
        let next = if others { Duration::ZERO } else { backoff.next(self.delay, fastrand::f64()) };
        let in_time = Instant::now() + next < self.deadline;
        if !(safe && in_time && self.sent < ATTEMPTS.max(servers)) {
            return Err(error.spent());
        }
        self.delay = Some(next.max(settings.backoff_floor));
        sleep(next).await;
        Ok(())
    }
}

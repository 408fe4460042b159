//! A query that is under way, and what ends it where nobody waits for it any more.

use super::progress;
use super::{Progress, Summary};
use crate::ClickHouse;
use clickhouse::Client;
use clickhouse::QuerySummary;
use clickhouse::error::Error as DriverError;
use futures_util::poll;
use qa_resource_core::{Backend, Error, ErrorKind, Lease, Outcome, Result};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// Limit for telling the server to end a query.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// A query on its way. Dropped before it is over, it is ended on the server.
pub(crate) struct Running {
    lease: Lease<ClickHouse>,
    id: String,
    began: Instant,
    deadline: Instant,
    limit: Duration,
    over: bool,
    _following: Option<AbortOnDropHandle<()>>,
    _place: OwnedSemaphorePermit,
}

impl Running {
    pub(super) fn new(
        (lease, place): (Lease<ClickHouse>, OwnedSemaphorePermit),
        id: String,
        limit: Duration,
        deadline: Instant,
        news: Option<watch::Sender<Progress>>,
    ) -> Self {
        let following = news.map(|news| {
            let work = progress::follow(Client::clone(&lease), id.clone(), news);
            AbortOnDropHandle::new(tokio::spawn(work))
        });
        // A stream may be read for long; a close waits for it, and that is no leak.
        let lease = lease.long_lived();
        Self {
            lease,
            id,
            began: Instant::now(),
            deadline,
            limit,
            over: false,
            _following: following,
            _place: place,
        }
    }

    /// The name of the server that is asked.
    pub(super) fn server(&self) -> &Arc<str> {
        self.lease.resource()
    }

    pub(super) fn client(&self) -> &Client {
        &self.lease
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Waits for a step of it, within its limit. What is there already, as most rows are, takes no timer and
    /// says nothing new of the server.
    pub(crate) async fn step<R>(
        &mut self,
        step: impl Future<Output = clickhouse::error::Result<R>>,
    ) -> Result<R> {
        let mut step = pin!(step);
        if let Poll::Ready(done) = poll!(&mut step) {
            return done.map_err(|error| self.failed(error));
        }
        match timeout_at(self.deadline, step).await {
            Ok(Ok(done)) => {
                self.lease.report_success();
                Ok(done)
            }
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.late()),
        }
    }

    pub(crate) fn failed(&mut self, error: DriverError) -> Error {
        // What the server itself says of the query ends it. Anything else may leave it running.
        self.over |= crate::error_code(&error).is_some();
        self.lease.report(&error);
        let class = ClickHouse::classify(&error);
        let doing = format!("query {} failed on {}", self.id, self.lease.address());
        Error::from_driver(class, Arc::clone(self.lease.resource()), doing, error)
    }

    fn late(&mut self) -> Error {
        self.lease.report_timeout();
        let message = format!(
            "query {} did not end on {} within {:?}",
            self.id,
            self.lease.address(),
            self.limit
        );
        let name = Arc::clone(self.lease.resource());
        Error::new(ErrorKind::Timeout, name, message).with_outcome(Outcome::Unknown)
    }

    /// An error that is not the server's.
    pub(super) fn error(&self, message: String) -> Error {
        Error::new(ErrorKind::Operation, Arc::clone(self.lease.resource()), message)
    }

    /// It has been read to its end.
    pub(crate) fn finish(&mut self, server: Option<&QuerySummary>, received: u64) -> Summary {
        self.over = true;
        Summary::new(&self.id, server, received, self.began.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // Without a runtime there is nobody to do it, and no connection either.
        if let Ok(runtime) = Handle::try_current() {
            let (client, id) = (Client::clone(&self.lease), std::mem::take(&mut self.id));
            runtime.spawn(async move {
                if timeout(KILL_LIMIT, kill(&client, &id)).await.is_err() {
                    tracing::debug!(id, "a query could not be ended within {KILL_LIMIT:?}");
                }
            });
        }
    }
}

/// Tells the server to end a query.
pub(super) async fn kill(client: &Client, id: &str) -> clickhouse::error::Result<()> {
    client.query("KILL QUERY WHERE query_id = ? ASYNC").bind(id).execute().await
}

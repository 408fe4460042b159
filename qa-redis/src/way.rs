//! The way to a server: from its address to a session.

use crate::dial::{dial, within};
use crate::options::Options;
use crate::session::{self, Session};
use crate::tls::Tls;
use redis::RedisResult;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Everything that a connect needs.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) options: Options,
    pub(crate) tls: Option<Tls>,
}

/// Until when dedicated connections last, at the longest, and the tasks that are about them.
#[derive(Debug)]
pub(crate) struct Until {
    pub(crate) ended: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Until {
    pub(crate) fn new(ended: CancellationToken) -> Self {
        Self { ended, tasks: TaskTracker::new() }
    }

    /// Drives a connection for so long.
    pub(crate) fn drive(
        &self,
        driver: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let ended = self.ended.clone();
        self.tasks.track_future(async move {
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = driver => {}
            }
        })
    }
}

impl Way {
    /// Dials, and opens a session: a dedicated one where it is given until when it lasts.
    pub(crate) async fn open(&self, until: Option<&Until>) -> RedisResult<Session> {
        let options = &self.options;
        let stream = dial(&options.host, options.port).await?;
        let Some(tls) = &self.tls else {
            return session::open(stream, options, until).await;
        };
        let silent = "the server accepted the connection, but did not finish the TLS handshake";
        let stream = within(options.login_timeout, silent, tls.secure(stream)).await?;
        session::open(stream, options, until).await
    }
}

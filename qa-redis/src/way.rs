//! The way to a server: from its address to a session.

use crate::dial::{dial, within};
use crate::fate::Reason;
use crate::login::login;
use crate::options::Options;
use crate::place::Place;
use crate::sentinel::Sentinels;
use crate::session::{self, Session};
use crate::tls::Tls;
use futures_util::future::try_join_all;
use qa_resource_core::ErrorKind;
use redis::{RedisError, RedisResult};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the sentinels are asked whether there is another master: while we have none, and while
/// we have one.
const SEARCH: Duration = Duration::from_millis(250);
const WATCH: Duration = Duration::from_secs(1);

/// How long one attempt goes on while the sentinels name a master that lets nobody in: less than an
/// attempt may take, so that its error is heard.
const PATIENCE: Duration = Duration::from_secs(4);

/// A socket of either kind.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Who says where the server is.
#[derive(Debug)]
pub(crate) enum Route {
    /// The URL.
    Direct(Place),
    Sentinels(Box<Sentinels>),
}

/// Everything that a connect needs.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) options: Options,
    pub(crate) tls: Option<Tls>,
    pub(crate) route: Route,
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
    /// The sessions that share the work, all with the same server.
    pub(crate) async fn open_shared(&self) -> RedisResult<Vec<Session>> {
        let first = self.open(None).await?;
        let place = match (&first.master, &self.route) {
            (Some(master), _) => master.clone(),
            (None, Route::Direct(place)) => place.clone(),
            (None, Route::Sentinels(_)) => return Ok(vec![first]),
        };
        let others = (1..self.options.connections).map(|_| self.open_at(&place, None));
        let mut sessions = vec![first];
        sessions.extend(try_join_all(others).await?);
        Ok(sessions)
    }

    /// Dials, and opens a session: a dedicated one where it is given until when it lasts.
    pub(crate) async fn open(&self, until: Option<&Until>) -> RedisResult<Session> {
        match &self.route {
            Route::Direct(place) => self.open_at(place, until).await,
            Route::Sentinels(sentinels) => self.open_master(sentinels, until).await,
        }
    }

    async fn open_at(&self, place: &Place, until: Option<&Until>) -> RedisResult<Session> {
        let stream = dial(&place.host, place.port).await?;
        let options = &*self.options.with_login().await?;
        let Some(tls) = &self.tls else {
            return session::open(stream, options, until).await;
        };
        let stream = within(options.login_timeout, NO_TLS, tls.secure(stream, &place.host)).await?;
        session::open(stream, options, until).await
    }

    /// A session with the master that the sentinels name. While they name one that can't be reached
    /// they may be about to replace it, so the attempt goes on for a while.
    async fn open_master(
        &self,
        sentinels: &Sentinels,
        until: Option<&Until>,
    ) -> RedisResult<Session> {
        let tls = self.tls.as_ref();
        let give_up = Instant::now() + PATIENCE;
        loop {
            let master = sentinels.master(tls).await?;
            let moved = sentinels.moved_from(&master, tls, SEARCH);
            let error = tokio::select! {
                opened = self.open_as_master(&master, until) => match opened {
                    Ok(session) => return Ok(Session { master: Some(master), ..session }),
                    Err(error) => error,
                },
                () = moved => continue,
            };
            if !may_be_replaced(&error) || Instant::now() >= give_up {
                return Err(error);
            }
            let moved = sentinels.moved_from(&master, tls, SEARCH);
            tokio::select! {
                () = moved => {}
                () = sleep(4 * SEARCH) => {}
            }
        }
    }

    /// A session with a server that says itself that it is a master: it may have stepped down, and who
    /// named it not know yet.
    async fn open_as_master(&self, place: &Place, until: Option<&Until>) -> RedisResult<Session> {
        let mut session = self.open_at(place, until).await?;
        let role = redis::cmd("ROLE");
        let role = role.query_async::<Vec<redis::Value>>(&mut session.connection);
        let role =
            within(self.options.login_timeout, "the server did not say its role", role).await;
        match role {
            Ok(role) => match role.into_iter().next().map(redis::from_redis_value::<String>) {
                Some(Ok(role)) if role != "master" => Err(Reason::ReadOnly.error()),
                _ => Ok(session),
            },
            // A user who may not ask for it has to be believed.
            Err(error)
                if error.kind() == redis::ErrorKind::Server(redis::ServerErrorKind::NoPerm) =>
            {
                Ok(session)
            }
            Err(error) => Err(error),
        }
    }

    /// A socket for a subscriber, logged in and named.
    pub(crate) async fn listener(&self) -> RedisResult<Box<dyn Socket>> {
        let place = match &self.route {
            Route::Direct(place) => place.clone(),
            Route::Sentinels(sentinels) => sentinels.master(self.tls.as_ref()).await?,
        };
        let stream = dial(&place.host, place.port).await?;
        let options = &*self.options.with_login().await?;
        let tls = self.tls.as_ref();
        let mut socket = secured(stream, tls, &place.host, options.login_timeout).await?;
        let greeting = async {
            login(&mut socket, options).await?;
            session::name_listener(&mut socket, options).await
        };
        within(options.login_timeout, session::SILENT, greeting).await?;
        Ok(socket)
    }

    /// Resolves when the sentinels name another master than the one of this session; never where there
    /// are none.
    pub(crate) async fn replaced(&self, master: &Place) {
        match &self.route {
            Route::Sentinels(sentinels) => {
                sentinels.moved_from(master, self.tls.as_ref(), WATCH).await;
            }
            Route::Direct(_) => std::future::pending().await,
        }
    }
}

const NO_TLS: &str = "the server accepted the connection, but did not finish the TLS handshake";

/// With TLS or without.
pub(crate) async fn secured(
    stream: TcpStream,
    tls: Option<&Tls>,
    host: &str,
    limit: Duration,
) -> RedisResult<Box<dyn Socket>> {
    match tls {
        Some(tls) => Ok(Box::new(within(limit, NO_TLS, tls.secure(stream, host)).await?)),
        None => Ok(Box::new(stream)),
    }
}

/// Whether it is about the server, and not about what we said to it.
fn may_be_replaced(error: &RedisError) -> bool {
    let kind = crate::classify::classify(error).kind;
    matches!(kind, ErrorKind::Connect | ErrorKind::Timeout)
}

//! The port: every connection bounded, and an end that comes with the pool's.

use super::{Http, routes};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Connections that are served at once; the others wait to be accepted.
const CONNECTIONS: usize = 64;
/// How long a client may take to say what it wants.
const HEADER_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection is kept, with however many requests; then it ends behind an answer.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// How long a client may take to read the last answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// The pause after an accept that failed: of too many open files, say.
const PAUSE: Duration = Duration::from_millis(100);

/// Endpoints with a port of their own.
#[derive(Debug)]
pub struct Server {
    http: Http,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    pub(crate) async fn bind(http: &Http, address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, http: http.clone(), listener })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the pool begins to close, and then what is under way for a second more.
    ///
    /// At most 64 connections are served at once. A client has 5 s to say what it wants, and a
    /// connection ends after 60 s, behind an answer where there is one.
    ///
    /// # Cancel safety
    /// Where this is dropped the port is closed and requests that are under way are cut off.
    pub async fn run(self) {
        let closing = self.http.pool.closing().clone();
        let service = TowerToHyperService::new(routes::router(&self.http));
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = closing.cancelled() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = accept(&self.listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let (service, closing) = (service.clone(), closing.clone());
                    connections.spawn(async move {
                        serve(stream, service, closing).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept");
                    sleep(PAUSE).await;
                }
            }
        }
        drop(self.listener);
        // What is not done by then is cut off with the set.
        let ends = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(LAST_ANSWER * 2, ends).await;
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// Serves one connection; an error is the client's affair.
async fn serve(
    stream: TcpStream,
    service: TowerToHyperService<axum::Router>,
    closing: CancellationToken,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(CONNECTION_LIMIT) => {}
        () = closing.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_ANSWER, connection).await;
}

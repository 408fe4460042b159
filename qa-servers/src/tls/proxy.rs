//! A TLS end in front of a server.

use rustls::ServerConfig;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A loopback port that speaks TLS and passes what it hears on to a server that does not. It and
/// its connections are closed when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn open(config: ServerConfig, server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { port, task: tokio::spawn(serve(listener, acceptor, server)) }
    }

    /// The port that speaks TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Its connections end with it.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor, server: u16) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(pass(acceptor.clone(), client, server));
    }
}

/// An error ends the connection; what was wrong is for the client to say.
async fn pass(acceptor: TlsAcceptor, client: TcpStream, server: u16) -> io::Result<(u64, u64)> {
    let mut near = acceptor.accept(client).await?;
    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await
}

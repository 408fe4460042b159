//! Just enough of four protocols to log in and to set a server up.
//!
//! They are spoken by hand so that this crate needs no driver: the drivers are what its users
//! test. Every function here may wait for ever; the callers in `ready` and `server` set the limit.

pub(crate) mod amqp;
pub(crate) mod http;
pub(crate) mod mongodb;
pub(crate) mod redis;
mod scram;

use std::io;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::address::Address;

/// Why a conversation failed, in one line.
pub(crate) type Answer<T> = Result<T, String>;

/// A connection, with TLS around it or without.
pub(crate) type Wire = Box<dyn Stream>;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Makes the handshake with one server. A trait, because what does is behind the feature `tls`.
pub(crate) trait Tls: Send + Sync {
    fn dial(&self, socket: TcpStream) -> BoxFuture<'_, Answer<Wire>>;
}

/// Opens a connection to the port that clients use.
pub(crate) async fn connect(address: &Address) -> Answer<Wire> {
    connect_to(address, address.port).await
}

/// Opens a connection to any port of the server. Only that of the clients may speak TLS.
async fn connect_to(address: &Address, port: u16) -> Answer<Wire> {
    let socket = TcpStream::connect((address.host.as_str(), port))
        .await
        .map_err(|error| format!("connect: {error}"))?;
    match &address.tls {
        Some(tls) if port == address.port => tls.dial(socket).await,
        _ => Ok(Box::new(socket)),
    }
}

/// For `map_err`: an I/O error in one line.
#[allow(clippy::needless_pass_by_value, reason = "map_err hands the error over")]
fn broken(error: io::Error) -> String {
    format!("the connection broke: {error}")
}

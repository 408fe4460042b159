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

use tokio::net::TcpStream;

use crate::address::Address;

/// Why a conversation failed, in one line.
pub(crate) type Answer<T> = Result<T, String>;

/// Opens a TCP connection to the port that clients use.
pub(crate) async fn connect(address: &Address) -> Answer<TcpStream> {
    connect_to(&address.host, address.port).await
}

async fn connect_to(host: &str, port: u16) -> Answer<TcpStream> {
    TcpStream::connect((host, port)).await.map_err(|error| format!("connect: {error}"))
}

/// For `map_err`: an I/O error in one line.
#[allow(clippy::needless_pass_by_value, reason = "map_err hands the error over")]
fn broken(error: io::Error) -> String {
    format!("the connection broke: {error}")
}

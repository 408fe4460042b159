//! The socket: reached, bounded and tuned.

use futures_util::future::select_ok;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{RedisError, RedisResult};
use std::io;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Limit for the name's resolution and the TCP handshake.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// Data that stays unacknowledged for longer than this breaks the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a TCP connection to the first of the host's addresses that answers.
pub(crate) async fn dial(host: &str, port: u16) -> RedisResult<TcpStream> {
    within(DIAL_LIMIT, "the TCP connection was not made", async {
        let addresses = lookup_host((host, port)).await.map_err(|error| unresolved(&error))?;
        let attempts: Vec<_> =
            addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
        if attempts.is_empty() {
            return Err(unresolved(&"it has no address").into());
        }
        let (stream, _) = select_ok(attempts).await?;
        tune(&stream)?;
        Ok(stream)
    })
    .await
}

/// Bounds a step of connecting.
pub(crate) async fn within<T>(
    limit: Duration,
    failure: &str,
    step: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let Ok(result) = timeout(limit, step).await else {
        let text = format!("{failure} within {limit:?}");
        return Err(RedisError::from(io::Error::new(io::ErrorKind::TimedOut, text)));
    };
    result
}

fn unresolved(why: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("cannot resolve the host's name: {why}"))
}

/// No waiting for more to send, and a dead peer is noticed by the kernel too.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keepalive)?;
    set_user_timeout(&socket)
}

#[cfg(target_os = "linux")]
fn set_user_timeout(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

#[cfg(not(target_os = "linux"))]
fn set_user_timeout(_: &SockRef<'_>) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_socket_is_tuned() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = dial("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_said_to_be_one() {
        let error = dial("no-such-host.invalid", 6379).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot resolve the host's name"), "{error}");
    }
}

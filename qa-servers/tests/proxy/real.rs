//! With a real server behind it.

use crate::rig::LIMIT;
use qa_servers::proxy::{FaultProxy, Faults, Way};
use qa_servers::testing::within;
use qa_servers::{Server, System};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection that is logged in.
async fn log_in(server: &Server, proxy: &FaultProxy) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port())).await?;
    let login = format!("AUTH {} {}\r\n", server.user(), server.password());
    socket.write_all(login.as_bytes()).await?;
    answer(&mut socket, "+OK\r\n").await?;
    Ok(socket)
}

async fn ping(socket: &mut TcpStream) -> io::Result<()> {
    socket.write_all(b"PING\r\n").await?;
    answer(socket, "+PONG\r\n").await
}

async fn answer(socket: &mut TcpStream, expected: &str) -> io::Result<()> {
    let mut heard = vec![0; expected.len()];
    within("an answer", LIMIT, socket.read_exact(&mut heard)).await?;
    assert_eq!(String::from_utf8_lossy(&heard), expected);
    Ok(())
}

#[tokio::test]
async fn redis_is_slow_silent_cut_refused_and_itself_again() {
    let redis = Server::start(System::Redis).await.unwrap();
    let proxy = FaultProxy::open(redis.port()).await;
    assert_eq!(proxy.url(&redis.url()).matches(&proxy.port().to_string()).count(), 1);
    let mut socket = log_in(&redis, &proxy).await.unwrap();
    ping(&mut socket).await.unwrap();

    let latency = Duration::from_millis(50);
    proxy.set(Faults::both(Way { latency, slice: Some(1..=3), ..Way::default() }));
    let began = Instant::now();
    ping(&mut socket).await.unwrap();
    assert!(began.elapsed() >= latency * 2, "{:?}", began.elapsed());

    proxy.set(Faults::silent());
    let unheard = timeout(Duration::from_millis(200), ping(&mut socket)).await;
    assert!(unheard.is_err(), "{unheard:?}");
    proxy.heal();
    answer(&mut socket, "+PONG\r\n").await.unwrap();

    proxy.cut();
    ping(&mut socket).await.unwrap_err();
    proxy.set(Faults::refused());
    let error = log_in(&redis, &proxy).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    proxy.heal();
    ping(&mut log_in(&redis, &proxy).await.unwrap()).await.unwrap();
    redis.remove().await;
}

//! A proxy with one connection, both of whose ends the test has in its hands.

use qa_servers::proxy::FaultProxy;
use qa_servers::testing::within;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Within which everything happens that has to.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// How long is watched that nothing happens.
const MOMENT: Duration = Duration::from_millis(200);

pub(crate) struct Rig {
    pub(crate) server: TcpListener,
    pub(crate) proxy: FaultProxy,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = FaultProxy::open(server.local_addr().unwrap().port()).await;
        Self { server, proxy }
    }

    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.proxy.port()));
        within("the connect", LIMIT, socket).await
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        within("the server accepts", LIMIT, self.server.accept()).await.unwrap().0
    }

    /// The two ends of a connection through the proxy.
    pub(crate) async fn pair(&self) -> (TcpStream, TcpStream) {
        let mut ends = (self.connect().await.unwrap(), self.accept().await);
        converse(&mut ends.0, &mut ends.1).await;
        ends
    }
}

/// One says something, and the other hears it.
pub(crate) async fn tell(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).await.unwrap();
    assert_eq!(hear(to, text.len()).await, text);
}

/// Both say something, and both hear it.
pub(crate) async fn converse(one: &mut TcpStream, other: &mut TcpStream) {
    tell(one, other, b"question").await;
    tell(other, one, b"answer").await;
}

pub(crate) async fn hear(socket: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut heard = vec![0; length];
    within("the bytes", LIMIT, socket.read_exact(&mut heard)).await.unwrap();
    heard
}

/// What is said until the end, and how it ends.
pub(crate) async fn hear_out(socket: &mut TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut heard = Vec::new();
    let end = within("the end", LIMIT, socket.read_to_end(&mut heard)).await;
    (heard, end.map(drop))
}

pub(crate) async fn hears_the_end_in_order(socket: &mut TcpStream) {
    let (heard, end) = hear_out(socket).await;
    assert!(heard.is_empty() && end.is_ok(), "{heard:?} {end:?}");
}

pub(crate) async fn hears_a_reset(socket: &mut TcpStream) {
    let (heard, end) = hear_out(socket).await;
    let kind = end.map_err(|error| error.kind());
    assert_eq!((heard, kind), (Vec::new(), Err(io::ErrorKind::ConnectionReset)));
}

pub(crate) async fn hears_nothing(socket: &mut TcpStream) {
    assert!(!hears(socket).await, "it hears something");
}

/// Whether there is anything to hear, be it the end, within a moment.
pub(crate) async fn hears(socket: &mut TcpStream) -> bool {
    timeout(MOMENT, socket.read(&mut [0; 1000])).await.is_ok()
}

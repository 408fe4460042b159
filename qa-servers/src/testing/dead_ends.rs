//! Ports behind which there is no server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use tokio::net::TcpSocket;

/// A free port of the loopback address, for the kernel to choose.
const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A loopback port that refuses connections, and that nobody else can take meanwhile.
#[derive(Debug)]
pub struct Refused {
    port: u16,
    /// Bound and never listening: that holds the port.
    _socket: TcpSocket,
}

impl Refused {
    /// Takes a free port without listening on it.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(ANY)).unwrap();
        Self { port: socket.local_addr().unwrap().port(), _socket: socket }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for Refused {
    fn default() -> Self {
        Self::new()
    }
}

/// A loopback port that accepts connections and stays silent, like a server that hangs. (The
/// kernel accepts them for a listener that never takes them.)
#[derive(Debug)]
pub struct Silent {
    port: u16,
    _listener: TcpListener,
}

impl Silent {
    /// Listens on a free port.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind(ANY).unwrap();
        Self { port: listener.local_addr().unwrap().port(), _listener: listener }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for Silent {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn one_refuses_and_keeps_its_port_and_the_other_says_nothing() {
        let refused = Refused::new();
        let error = TcpStream::connect(("127.0.0.1", refused.port())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpListener::bind(("127.0.0.1", refused.port())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);

        let silent = Silent::new();
        let mut socket = TcpStream::connect(("127.0.0.1", silent.port())).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let error = socket.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    }
}

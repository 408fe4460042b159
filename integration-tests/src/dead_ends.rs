//! Ports behind which there is no server.

use crate::connections;
use tokio::net::{TcpListener, TcpSocket};

/// A port that refuses connections, and that nobody else can take meanwhile.
#[derive(Debug)]
pub struct Refused(TcpSocket);

impl Refused {
    /// Takes a port without listening on it.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    /// The port.
    ///
    /// # Panics
    /// Never, once it is bound.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}

impl Default for Refused {
    fn default() -> Self {
        Self::new()
    }
}

/// A port that accepts connections (the kernel does, for a listener that never takes them) and
/// stays silent.
#[derive(Debug)]
pub struct Silent(TcpListener);

impl Silent {
    /// Listens on a free port.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// The port.
    ///
    /// # Panics
    /// Never, once it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// How many connections to it are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        connections(self.port())
    }
}

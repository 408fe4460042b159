//! The port that clients connect to.

use super::connection::serve;
use super::counts::Tally;
use super::scene::Watched;
use super::{Door, Faults};
use crate::ports::free_port;
use rustix::net::{Shutdown, listen, shutdown};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How many connections may wait to be accepted, as for most servers.
const BACKLOG: u32 = 1024;

/// How long to wait where the kernel gives no connection although there is one: this process has
/// no file descriptor left.
const RESPITE: Duration = Duration::from_millis(20);

/// The socket that has the port, whether it listens or not.
#[derive(Debug)]
pub(super) struct Entry {
    socket: TcpListener,
}

impl Entry {
    /// Takes a free port.
    pub(super) fn new() -> io::Result<Self> {
        for _ in 0..20 {
            let port = free_port().map_err(io::Error::other)?;
            match bind(port) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                socket => return Ok(Self { socket: socket? }),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    pub(super) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// Makes the kernel refuse connections, or accept them again, from now on.
    pub(super) fn obey(&self, before: &Faults, now: &Faults) {
        match (before.door, now.door) {
            (Door::Refuse, Door::Refuse) => {}
            (_, Door::Refuse) => self.shut(),
            (Door::Refuse, _) => listen(&self.socket, BACKLOG.cast_signed()).unwrap(),
            _ => {}
        }
    }

    /// The socket stays bound, and its port its own.
    pub(super) fn shut(&self) {
        // It fails where it is shut already.
        let _ = shutdown(&self.socket, Shutdown::Read);
    }
}

/// `SO_REUSEPORT` lets a socket listen again while connections are open that it accepted before;
/// `SO_REUSEADDR`, which others set too, would let them take the port while this one is shut.
fn bind(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)?.into_std()
}

/// Accepts connections as the faults say, and tells once that it does; those that it accepted end
/// with it.
pub(super) async fn keep(
    entry: Arc<Entry>,
    server: u16,
    mut scene: Watched,
    tally: Arc<Tally>,
    listening: oneshot::Sender<()>,
) {
    let mut listening = Some(listening);
    let mut connections = JoinSet::new();
    loop {
        // Anew for all faults: a listener that was shut stays so in the eyes of the runtime.
        let door = scene.borrow_and_update().faults.door;
        let listener = entry.socket.try_clone().and_then(tokio::net::TcpListener::from_std);
        if let Some(listening) = listening.take() {
            // Whoever opened it may have gone; then this ends soon.
            let _ = listening.send(());
        }
        let accept = async {
            let Ok(listener) = listener else { return tokio::time::sleep(RESPITE).await };
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(client, server, scene.clone(), tally.clone()));
            }
            tokio::time::sleep(RESPITE).await;
        };
        let mut later = scene.clone();
        let told = tokio::select! {
            biased;
            told = later.changed() => told,
            () = accept, if door != Door::Refuse => Ok(()),
        };
        if told.is_err() {
            return;
        }
    }
}

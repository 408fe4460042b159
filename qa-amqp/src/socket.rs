//! A second handle on a connection's socket, by which the connection can always be ended.

use std::io;
use std::net::{Shutdown, TcpStream};

#[cfg(unix)]
use std::os::fd::AsFd as Handle;
#[cfg(windows)]
use std::os::windows::io::AsSocket as Handle;

/// Cuts the connection when it is dropped.
///
/// The driver has no way to give up a handshake or a close that is never answered: its thread
/// waits on the socket, for ever. It ends as soon as the socket is shut down.
#[derive(Debug)]
pub(crate) struct Socket(TcpStream);

impl Socket {
    pub(crate) fn of(stream: &impl Handle) -> io::Result<Self> {
        #[cfg(unix)]
        let handle = stream.as_fd();
        #[cfg(windows)]
        let handle = stream.as_socket();
        Ok(Self(handle.try_clone_to_owned()?.into()))
    }

    /// Ends the connection without a word. Does nothing where it has ended.
    pub(crate) fn cut(&self) {
        // An error means that there is nothing left to shut down.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.cut();
    }
}
